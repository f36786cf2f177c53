package integration_test

import (
	"errors"
	"testing"

	"ipcmq/mq"
)

func TestTryLeaseDoesNotWait(t *testing.T) {
	t.Parallel()
	q := openQueue(t, start(t, nil).URL(), newName(), nil)
	leases, err := q.SelectLeases(mq.Any())
	if err != nil {
		t.Fatal(err)
	}
	r := leases.(interface{ TryLease() (mq.Lease, error) })
	if _, err := r.TryLease(); !errors.Is(err, mq.ErrEmpty) {
		t.Fatal(err)
	}
	sendAll(t, q, mq.Message{Type: 1, Data: []byte("a")})
	l, err := r.TryLease()
	if err != nil || string(l.Message().Data) != "a" || l.Attempt() != 1 {
		t.Fatalf("%v, %v", l, err)
	}
	if _, err := r.TryLease(); !errors.Is(err, mq.ErrEmpty) {
		t.Fatalf("what is lent is lent again: %v", err)
	}
	if err := l.Nak(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if l, err = r.TryLease(); err != nil || l.Attempt() != 2 {
		t.Fatalf("%v, %v", l, err)
	}
	if err := l.Ack(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.TryLease(); !errors.Is(err, mq.ErrClosed) {
		t.Error(err)
	}
}
