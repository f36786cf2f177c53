package mqtest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
)

func TestBlockedCallsLetTheClockOfABubbleRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(&mqtest.Config{Capacity: 10})
		defer q.Close()
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := q.Receive(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Hour {
			t.Errorf("Receive: %v after %v", err, time.Since(start))
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		for range 2 {
			if err := q.Send(ctx, mq.Message{Type: 1, Data: make([]byte, 5)}); err != nil {
				t.Error(err)
			}
		}
		if err := q.Send(ctx, mq.Message{Type: 1, Data: []byte("x")}); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 2*time.Hour {
			t.Errorf("Send: %v after %v", err, time.Since(start))
		}
	})
}

func TestAQueueFromOutsideServesABubble(t *testing.T) {
	q := mqtest.New(nil)
	defer q.Close()
	synctest.Test(t, func(t *testing.T) {
		got := make(chan mq.Message)
		go func() {
			m, err := q.Receive(t.Context())
			if err != nil {
				t.Error(err)
			}
			got <- m
		}()
		synctest.Wait()
		if s := q.Stat(); s.Receivers != 1 {
			t.Errorf("got %+v, want one receiver", s)
		}
		if err := q.TrySend(mq.Message{Type: 3}); err != nil {
			t.Error(err)
		}
		if m := <-got; m.Type != 3 {
			t.Errorf("got %+v", m)
		}
	})
}

// The rules of the kernel's queue that are not in the contract.
func TestWaitersAreServedInTurnAndPassedOverIfTheyDoNotFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(&mqtest.Config{Capacity: 10})
		defer q.Close()
		trySend := func(typ int64, n int) error { return q.TrySend(mq.Message{Type: typ, Data: make([]byte, n)}) }
		send := func(typ int64, n int) {
			go func() {
				if err := q.Send(t.Context(), mq.Message{Type: typ, Data: make([]byte, n)}); err != nil {
					t.Error(err)
				}
			}()
			synctest.Wait()
		}
		if err := errors.Join(trySend(1, 4), trySend(2, 4)); err != nil {
			t.Fatal(err)
		}
		send(3, 8)
		send(4, 3)
		send(5, 3)
		if s := q.Stat(); s != (mqtest.Stat{Messages: 2, Bytes: 8, Senders: 3}) {
			t.Fatalf("got %+v", s)
		}
		for _, want := range []struct {
			typ  int64
			left mqtest.Stat
		}{
			{1, mqtest.Stat{Messages: 3, Bytes: 10, Senders: 1}}, // 4 and 5 fit in with 2
			{2, mqtest.Stat{Messages: 2, Bytes: 6, Senders: 1}},
			{4, mqtest.Stat{Messages: 1, Bytes: 3, Senders: 1}},
			{5, mqtest.Stat{Messages: 1, Bytes: 8}},
			{3, mqtest.Stat{}},
		} {
			m, err := q.TryReceive()
			synctest.Wait()
			if got := q.Stat(); err != nil || m.Type != want.typ || got != want.left {
				t.Errorf("got type %d, %v, leaving %+v; want type %d, leaving %+v", m.Type, err, got, want.typ, want.left)
			}
		}
	})
}

func TestAFullQueueRefusesAlsoWhatSomebodyWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(&mqtest.Config{Capacity: 1})
		two, err := q.Select(mq.Type(2))
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { _, err := two.Receive(t.Context()); done <- err }()
		synctest.Wait()
		if err := q.TrySend(mq.Message{Type: 1, Data: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		if err := q.TrySend(mq.Message{Type: 2}); !errors.Is(err, mq.ErrFull) {
			t.Errorf("got %v", err)
		}
		q.Close()
		if err := <-done; !errors.Is(err, mq.ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

func TestEmptyMessagesFillAQueueToo(t *testing.T) {
	q := mqtest.New(&mqtest.Config{Capacity: 4})
	defer q.Close()
	for range 4 {
		if err := q.TrySend(mq.Message{Type: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.TrySend(mq.Message{Type: 1}); !errors.Is(err, mq.ErrFull) {
		t.Errorf("got %v", err)
	}
}

func TestNegativeNumbersPanic(t *testing.T) {
	for _, cfg := range []mqtest.Config{{Capacity: -1}, {MaxMessage: -1}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v: no panic", cfg)
				}
			}()
			mqtest.New(&cfg)
		}()
	}
}
