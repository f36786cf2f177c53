package sysv_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

type tryLeaser interface{ TryLease() (mq.Lease, error) }

func TestTryLeaseNeverWaits(t *testing.T) {
	q, err := sysv.Open(freeKey(t), &sysv.Config{MaxLeases: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	r := lending(t, q, mq.Type(5)).(tryLeaser)
	refused := func(want error) {
		t.Helper()
		var e *mq.Error
		if l, err := r.TryLease(); !errors.Is(err, want) || l != nil || !errors.As(err, &e) || e.Op != "lease" || e.Queue != q.String() {
			t.Errorf("got %v and %v, not %v", l, err, want)
		}
	}
	send := func(m mq.Message) {
		if err := q.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	refused(mq.ErrEmpty)
	send(mq.Message{Type: 4})
	refused(mq.ErrEmpty)
	send(mq.Message{Type: 5, Data: []byte("a")})
	send(mq.Message{Type: 5})
	l, err := r.TryLease()
	if err != nil || string(l.Message().Data) != "a" || l.Attempt() != 1 {
		t.Fatal(l, err)
	}
	refused(mq.ErrFull)
	if err := l.Nak(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	refused(mq.ErrFull) // it is kept until then
	if err := q.Remove(); err != nil {
		t.Fatal(err)
	}
	refused(mq.ErrRemoved)
	q.Close()
	refused(mq.ErrClosed)
}

func TestTryLeaseFindsMessagesOfTheDead(t *testing.T) {
	testutil.NotEmulated(t, "the emulator shows a process another start time of itself than others see, so that it looks dead to them")
	key := freeKey(t)
	q := openLending(t, key, time.Hour)
	r := lending(t, q, mq.Any()).(tryLeaser)
	for range 3 {
		if err := q.Send(t.Context(), mq.Message{Type: 3}); err != nil {
			t.Fatal(err)
		}
	}
	cmd := testutil.Command(t, "lease until killed", fmt.Sprint(uint32(key)), "held", "1")
	if err := cmd.Run(); err == nil {
		t.Fatal("the holder was not killed")
	}
	for i := range 3 {
		l, err := r.TryLease()
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		if attempt := l.Attempt(); (attempt == 2) != (i == 0) {
			t.Errorf("message %d comes for attempt %d", i, attempt)
		}
	}
	if l, err := r.TryLease(); !errors.Is(err, mq.ErrEmpty) {
		t.Errorf("got %v, %v", l, err)
	}
}
