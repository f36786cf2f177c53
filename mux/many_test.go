package mux_test

import (
	"testing"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mux"
)

// The time to begin and end many subscriptions grows linearly with their number,
// not quadratically. The figures are only logged; the test checks that all of
// them work.
func TestManySubscriptions(t *testing.T) {
	const n = 5000
	for name, wide := range map[string]bool{"of single types": false, "under Any": true} {
		t.Run(name, func(t *testing.T) {
			q := mqtest.New(nil)
			defer q.Close()
			m := newMux(t, q, &mux.Config{Spin: -1})
			if wide {
				subscribe(t, m, mq.Any(), &mux.SubscribeConfig{Unclaimed: true})
			}
			start := time.Now()
			subs := make([]*mux.Subscription, n)
			for i := range subs {
				subs[i] = subscribe(t, m, mq.Type(int64(i+1)), &mux.SubscribeConfig{Buffer: 1})
			}
			began := time.Since(start)
			readers := m.Stats().Readers
			if want := map[bool]int{false: n, true: 1}[wide]; readers != want {
				t.Errorf("%d readers, want %d", readers, want)
			}
			for _, i := range []int{0, 1, n / 2, n - 1} {
				send(t, q, int64(i+1), "x")
				expect(t, subs[i].Messages(), "x")
			}
			start = time.Now()
			for i := range n / 2 {
				if err := subs[i].Unsubscribe(); err != nil {
					t.Fatal(err)
				}
			}
			half := time.Since(start)
			start = time.Now()
			if err := m.Close(); err != nil {
				t.Error(err)
			}
			t.Logf("%d subscriptions began in %v, half of them ended in %v, the others with the mux in %v", n, began, half, time.Since(start))
		})
	}
}

// The channels of the first subscriptions are large, and thousands of them small.
func TestDefaultBuffers(t *testing.T) {
	q := mqtest.New(nil)
	defer q.Close()
	m := newMux(t, q, nil)
	var subs []*mux.Subscription
	for i := range 100 {
		s := subscribe(t, m, mq.Any(), nil)
		want := mux.DefaultBuffer
		if i >= 64 {
			want = mux.DefaultBufferMany
		}
		if n := cap(s.Messages()); n != want {
			t.Errorf("subscription %d has a buffer of %d, want %d", i+1, n, want)
		}
		subs = append(subs, s)
	}
	for _, s := range subs {
		s.Drain()
		<-s.Done()
	}
	if n := cap(subscribe(t, m, mq.Any(), nil).Messages()); n != mux.DefaultBuffer {
		t.Errorf("after the end of the others: %d", n)
	}
}
