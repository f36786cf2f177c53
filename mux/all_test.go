package mux_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mux"
)

func TestAllEnds(t *testing.T) {
	why := errors.New("enough")
	for _, c := range []struct {
		name string
		end  func(q *mqtest.Queue, s *mux.Subscription, cancel context.CancelCauseFunc)
		want []error
	}{
		{"with Unsubscribe, without an error", func(_ *mqtest.Queue, s *mux.Subscription, _ context.CancelCauseFunc) { s.Unsubscribe() }, nil},
		{"with Drain, without an error", func(_ *mqtest.Queue, s *mux.Subscription, _ context.CancelCauseFunc) { s.Drain() }, nil},
		{"with its context", func(_ *mqtest.Queue, _ *mux.Subscription, cancel context.CancelCauseFunc) { cancel(why) }, []error{context.Canceled, why}},
		{"with the queue", func(q *mqtest.Queue, _ *mux.Subscription, _ context.CancelCauseFunc) { q.Remove() }, []error{mq.ErrRemoved}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := mqtest.New(nil)
				defer q.Close()
				m := newMux(t, q, nil)
				s := subscribe(t, m, mq.Type(1), nil)
				send(t, q, 1, "a")
				send(t, q, 1, "b")
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				var got []string
				var last error
				over := make(chan struct{})
				go func() {
					defer close(over)
					for m, err := range s.All(ctx) {
						if last = err; err == nil {
							got = append(got, string(m.Data))
						}
					}
				}()
				synctest.Wait()
				c.end(q, s, cancel)
				<-over
				if !slices.Equal(got, []string{"a", "b"}) || (last == nil) != (c.want == nil) {
					t.Errorf("got %q, %v", got, last)
				}
				for _, want := range c.want {
					if !errors.Is(last, want) {
						t.Errorf("got %v, want %v", last, want)
					}
				}
				m.Close()
			})
		})
	}
}

func TestLeavingAllEarlyLeavesTheRest(t *testing.T) {
	q := mqtest.New(nil)
	defer q.Close()
	m := newMux(t, q, nil)
	s := subscribe(t, m, mq.Any(), nil)
	for _, text := range []string{"a", "b", "c"} {
		send(t, q, 5, text)
	}
	for m, err := range s.All(t.Context()) {
		if err != nil || string(m.Data) != "a" {
			t.Fatalf("got %q, %v", m.Data, err)
		}
		break
	}
	expect(t, s.Messages(), "b", "c")
}
