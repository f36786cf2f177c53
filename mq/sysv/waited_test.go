package sysv_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

// The error of a call says what the call waited for.
func TestACallThatEndsSaysWhatItWaitedFor(t *testing.T) {
	q := newQueue(t, nil)
	wants := func(err error, text string) {
		t.Helper()
		if !errors.Is(err, context.DeadlineExceeded) || !strings.HasSuffix(err.Error(), text) {
			t.Errorf("got %v, want %q at the end", err, text)
		}
	}
	receive := func(s mq.Selector) error {
		r, err := q.Select(s)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Receive(testutil.Soon(t))
		return err
	}
	if err := q.Set(func(s *sysv.Settings) { s.Capacity = 20 }); err != nil {
		t.Fatal(err)
	}
	wants(receive(mq.Any()), "; the queue is empty")
	send(t, q, 1, 1, 8)
	wants(receive(mq.Type(7)), "; no message of type 7 came; 3 others are in the queue")
	wants(q.Send(testutil.Soon(t), mq.Message{Type: 1, Data: make([]byte, 18)}),
		"; the queue has no room for 18 bytes: 3 of 20 are taken")
	if err := q.TrySend(mq.Message{Type: 1, Data: make([]byte, 17)}); err != nil {
		t.Fatal(err)
	}
	wants(q.Send(testutil.Soon(t), mq.Message{Type: 1, Data: []byte("x")}), "; the queue is full: 20 of 20 bytes")

	// A call whose context had already ended did not wait.
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.Send(ended, mq.Message{Type: 1}); strings.Contains(err.Error(), "full") {
		t.Error(err)
	}
}

func TestALeaseThatEndsSaysWhatItWaitedFor(t *testing.T) {
	q, err := sysv.Open(freeKey(t), &sysv.Config{MaxLeases: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	r := lending(t, q, mq.Any())
	wants := func(text string) {
		t.Helper()
		_, err := r.Lease(testutil.Soon(t))
		if !errors.Is(err, context.DeadlineExceeded) || !strings.HasSuffix(err.Error(), text) {
			t.Errorf("got %v, want %q at the end", err, text)
		}
	}
	wants("; the queue is empty")
	send(t, q, 1, 1, 1)
	for range 2 {
		if _, err := r.Lease(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	wants("; 2 messages are on lease, the maximum")
}
