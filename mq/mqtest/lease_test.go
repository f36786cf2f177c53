package mqtest_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
)

func lendingAny(t *testing.T, q *mqtest.Queue) mq.LeaseReceiver {
	t.Helper()
	r, err := q.SelectLeases(mq.Any())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func lease(t *testing.T, r mq.LeaseReceiver) mq.Lease {
	t.Helper()
	l, err := r.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLeasesRunOutByTheClockOfABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(&mqtest.Config{Lease: time.Hour})
		defer q.Close()
		r := lendingAny(t, q)
		start := time.Now()
		if err := q.TrySend(mq.Message{Type: 1, Data: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		l := lease(t, r)
		if d := l.Deadline().Sub(start); d != time.Hour {
			t.Errorf("the lease lasts %v", d)
		}
		<-time.After(40 * time.Minute)
		if err := l.Extend(t.Context()); err != nil {
			t.Fatal(err)
		}
		again := lease(t, r)
		if d := time.Since(start); d != 100*time.Minute || again.Attempt() != 2 || again.Sequence() != l.Sequence() {
			t.Errorf("lent again after %v: attempt %d, sequence %d", d, again.Attempt(), again.Sequence())
		}
		if err := again.Nak(t.Context(), 3*time.Hour); err != nil {
			t.Fatal(err)
		}
		if third := lease(t, r); time.Since(start) != 280*time.Minute || third.Attempt() != 3 {
			t.Errorf("given back with a delay, lent after %v, attempt %d", time.Since(start), third.Attempt())
		}
	})
}

func TestWhatALateHolderDoes(t *testing.T) {
	for _, c := range []struct {
		name  string
		do    func(mq.Lease, context.Context) error
		after mqtest.Stat
	}{
		{"Ack", mq.Lease.Ack, mqtest.Stat{}},
		{"Nak", func(l mq.Lease, ctx context.Context) error { return l.Nak(ctx, 0) }, mqtest.Stat{Leased: 1, Bytes: 1}},
		{"Nak with a delay", func(l mq.Lease, ctx context.Context) error { return l.Nak(ctx, time.Hour) }, mqtest.Stat{Leased: 1, Bytes: 1}},
		{"Extend", mq.Lease.Extend, mqtest.Stat{Leased: 1, Bytes: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := mqtest.New(&mqtest.Config{Lease: time.Hour})
				defer q.Close()
				if err := q.TrySend(mq.Message{Type: 1, Data: []byte("x")}); err != nil {
					t.Fatal(err)
				}
				r := lendingAny(t, q)
				late, next := lease(t, r), lease(t, r)
				deadline := next.Deadline()
				if err := c.do(late, t.Context()); err != nil {
					t.Error(err)
				}
				if s := q.Stat(); s != c.after || !next.Deadline().Equal(deadline) || time.Until(late.Deadline()) > 0 {
					t.Errorf("got %+v, want %+v; deadlines %v and %v", s, c.after, late.Deadline(), next.Deadline())
				}
				if err := next.Ack(t.Context()); err != nil {
					t.Error(err)
				}
				if s := q.Stat(); s != (mqtest.Stat{}) {
					t.Errorf("after the other's Ack: %+v", s)
				}
			})
		})
	}
}

func TestALateAckRemovesAlsoWhatNobodyHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(&mqtest.Config{Lease: time.Hour})
		defer q.Close()
		if err := q.TrySend(mq.Message{Type: 1}); err != nil {
			t.Fatal(err)
		}
		l := lease(t, lendingAny(t, q))
		<-time.After(2 * time.Hour)
		if s := q.Stat(); s.Messages != 1 || s.Leased != 0 {
			t.Fatalf("%+v", s)
		}
		for range 2 {
			if err := l.Ack(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if s := q.Stat(); s != (mqtest.Stat{}) {
			t.Errorf("%+v", s)
		}
	})
}

// A message that is given back is the oldest again, and goes to the call that
// has waited longest.
func TestMessagesGivenBackKeepTheirPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(&mqtest.Config{Lease: time.Hour, Capacity: 4})
		defer q.Close()
		for _, data := range []string{"0", "1", "2", "3"} {
			if err := q.TrySend(mq.Message{Type: 1, Data: []byte(data)}); err != nil {
				t.Fatal(err)
			}
		}
		leases, err := lendingAny(t, q).LeaseBatch(t.Context(), 3)
		if err != nil || len(leases) != 3 {
			t.Fatalf("got %d, %v", len(leases), err)
		}
		for _, i := range []int{2, 0} {
			if err := leases[i].Nak(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
		}
		got := ""
		for range 3 {
			m, err := q.TryReceive()
			if err != nil {
				t.Fatal(err)
			}
			got += string(m.Data)
		}
		if got != "023" {
			t.Errorf("got %q", got)
		}
		// A full queue has room when a waiting Receive takes what was lent.
		for range 3 {
			if err := q.TrySend(mq.Message{Type: 2, Data: []byte("x")}); err != nil {
				t.Fatal(err)
			}
		}
		one, err := q.Select(mq.Type(1))
		if err != nil {
			t.Fatal(err)
		}
		received, sent := make(chan error), make(chan error)
		go func() { _, err := one.Receive(t.Context()); received <- err }()
		go func() { sent <- q.Send(t.Context(), mq.Message{Type: 2, Data: []byte("y")}) }()
		synctest.Wait()
		if s := q.Stat(); s != (mqtest.Stat{Messages: 3, Leased: 1, Bytes: 4, Receivers: 1, Senders: 1}) {
			t.Errorf("%+v", s)
		}
		if err := errors.Join(<-received, <-sent); err != nil { // when the lease runs out
			t.Error(err)
		}
		if s := q.Stat(); s != (mqtest.Stat{Messages: 4, Bytes: 4}) {
			t.Errorf("%+v", s)
		}
	})
}

func TestAQueueWithoutLeasesSaysSo(t *testing.T) {
	q := mqtest.New(nil)
	defer q.Close()
	_, err := q.SelectLeases(mq.Any())
	if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "Config.Lease") {
		t.Errorf("got %v", err)
	}
}

func TestADelayIsNotNegative(t *testing.T) {
	q := mqtest.New(&mqtest.Config{Lease: time.Hour})
	defer q.Close()
	if err := q.TrySend(mq.Message{Type: 1}); err != nil {
		t.Fatal(err)
	}
	l := lease(t, lendingAny(t, q))
	if err := l.Nak(t.Context(), -1); !errors.Is(err, mq.ErrInvalidConfig) {
		t.Errorf("got %v", err)
	}
	if err := l.Nak(t.Context(), 0); err != nil {
		t.Error(err)
	}
}
