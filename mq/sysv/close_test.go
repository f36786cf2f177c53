package sysv_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"ipcmq/internal/sys"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

func TestCloseEndsBlockedCallsAndLeavesTheQueue(t *testing.T) {
	q := newQueue(t, &sysv.Config{Capacity: 2})
	send(t, q, 1, 2)
	errs := make(chan error)
	const n = 4
	r, err := q.Select(mq.Type(9))
	if err != nil {
		t.Fatal(err)
	}
	canEnd, cancel := context.WithCancel(t.Context())
	defer cancel()
	for i := range n {
		ctx := context.Background() // half of them without a context that can end
		if i%2 == 1 {
			ctx = canEnd
		}
		go func() { errs <- q.Send(ctx, mq.Message{Type: 3, Data: []byte("3")}) }()
		go func() { _, err := r.Receive(ctx); errs <- err }()
	}
	awaitWaiting(t, q, 2*n)
	awaitSenders(t, os.Getpid(), 1)
	awaitReceivers(t, os.Getpid(), 1)
	var closers sync.WaitGroup
	for range 2 {
		closers.Go(func() {
			if err := q.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	for range 2 * n {
		if err := <-errs; !errors.Is(err, mq.ErrClosed) || !errors.Is(err, os.ErrClosed) {
			t.Errorf("a blocked call: %v", err)
		}
	}
	closers.Wait()
	if err := q.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
	again, err := sysv.OpenID(q.ID(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got := drain(t, again); !slices.Equal(got, []int64{1, 2}) {
		t.Errorf("left in the queue: %v", got)
	}
}

func TestUseAfterClose(t *testing.T) {
	q := newQueue(t, nil)
	send(t, q, 1)
	other, err := sysv.OpenID(q.ID(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	q.Close()
	errs := everyMethod(t.Context(), q)
	errs["Remove"] = q.Remove()
	for name, err := range errs {
		if !errors.Is(err, mq.ErrClosed) || !strings.Contains(err.Error(), q.String()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if q.ID() != other.ID() || q.Capabilities().MaxType != sys.MaxType {
		t.Errorf("id %d, %+v", q.ID(), q.Capabilities())
	}
	if n := waiting(t, other); n != 1 {
		t.Errorf("%d messages in the queue", n)
	}
}

func TestClosingOneHandleLeavesTheOthers(t *testing.T) {
	q := newQueue(t, nil)
	other, err := sysv.OpenID(q.ID(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	got := make(chan error)
	go func() { _, err := other.Receive(t.Context()); got <- err }()
	awaitReceivers(t, os.Getpid(), 1)
	q.Close()
	send(t, other, 1)
	if err := <-got; err != nil {
		t.Error(err)
	}
}
