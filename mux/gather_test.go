package mux_test

import (
	"testing"
	"testing/synctest"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mux"
)

// left takes the messages left in a queue and returns how many there were.
func left(q *mqtest.Queue) (n int) {
	for {
		if _, err := q.TryReceive(); err != nil {
			return n
		}
		n++
	}
}

// TestHowManyMessagesAMuxHolds puts 100 messages into a queue before a mux
// begins, and checks how many it takes while a subscriber is slow.
func TestHowManyMessagesAMuxHolds(t *testing.T) {
	for _, c := range []struct {
		name  string
		begin func(t *testing.T, m *mux.Mux)
		most  int
	}{
		{"a subscription", func(t *testing.T, m *mux.Mux) {
			subscribe(t, m, mq.Any(), &mux.SubscribeConfig{Buffer: 8})
		}, 8 + 1},
		{"a slow one and a fast one", func(t *testing.T, m *mux.Mux) {
			subscribe(t, m, mq.Any(), &mux.SubscribeConfig{Buffer: 3})
			read(subscribe(t, m, mq.Any(), nil))
		}, 3 + 1},
		{"a slow one of one type and a fast one of all", func(t *testing.T, m *mux.Mux) {
			subscribe(t, m, mq.Type(7), &mux.SubscribeConfig{Buffer: 1})
			read(subscribe(t, m, mq.Any(), nil))
		}, 1 + 1},
		{"one with a limit and one without that leaves", func(t *testing.T, m *mux.Mux) {
			subscribe(t, m, mq.Any(), &mux.SubscribeConfig{Buffer: 5})
			subscribe(t, m, mq.Any(), &mux.SubscribeConfig{Limit: 2}) // at first, the reader may gather two
		}, 5 + 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := mqtest.New(nil)
				for range 100 {
					if err := q.Send(t.Context(), mq.Message{Type: 7}); err != nil {
						t.Fatal(err)
					}
				}
				m := newMux(t, q, nil)
				c.begin(t, m)
				synctest.Wait()
				if taken := 100 - left(q); taken > c.most {
					t.Errorf("%d messages were taken, at most %d may be", taken, c.most)
				}
				m.Close()
				q.Close()
			})
		})
	}
}

// read reads from a subscription until it ends.
func read(s *mux.Subscription) {
	go func() {
		for range s.Messages() {
		}
	}()
}
