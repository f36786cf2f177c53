package sysv_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"ipcmq/internal/sys"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

func TestARecreatedQueueHasANewPool(t *testing.T) {
	key := freeKey(t)
	old := openLending(t, key, time.Hour)
	send(t, old, 1)
	l, err := lending(t, old, mq.Any()).Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"by us", "by others"} {
		if how == "by us" {
			if err := old.Remove(); err != nil {
				t.Fatal(err)
			}
			if err := l.Ack(t.Context()); !errors.Is(err, mq.ErrRemoved) {
				t.Errorf("Ack in a removed queue: %v", err)
			}
		} else if errno := sys.MsgRemove(old.ID()); errno != 0 {
			t.Fatal(errno)
		}
		again := openLending(t, key, time.Hour)
		r := lending(t, again, mq.Any())
		send(t, again, 2)
		got := leaseAll(t, r, 1)
		if len(got) != 1 || got[0].Message().Type != 2 || got[0].Attempt() != 1 {
			t.Errorf("removed %s: got %v", how, got)
		}
		if _, err := lending(t, again, mq.Any()).Lease(ended(t)); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		old = again
	}
	if err := old.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, errno := sys.Shmget(uint32(key), 0, 0); errno != sys.ENOENT {
		t.Errorf("the pool is still there: %v", errno)
	}
}

func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestSegmentsOfOthersAreLeftAlone(t *testing.T) {
	notEmulated(t)
	key := freeKey(t)
	q := openLending(t, key, time.Minute)
	for name, size := range map[string]int{"another size": 4096, "the size of a pool": 4096*100 + 1719} {
		id, errno := sys.Shmget(uint32(key), size, sys.IPC_CREAT|sys.IPC_EXCL|0o600)
		if errno != 0 {
			t.Fatal(errno)
		}
		s, errno := sys.ShmAttach(id, false)
		if errno != 0 {
			t.Fatal(errno)
		}
		copy(s.Bytes(0, 10), "not a pool")
		_, err := q.SelectLeases(mq.Any())
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), fmt.Sprint(id)) {
			t.Errorf("%s: got %v", name, err)
		}
		if string(s.Bytes(0, 10)) != "not a pool" {
			t.Errorf("%s: it was written to", name)
		}
		s.Detach()
		if errno := sys.ShmRemove(id); errno != 0 {
			t.Error(errno)
		}
	}
}

func TestAPoolWithGarbageDoesNoMoreThanFail(t *testing.T) {
	for seed := range 40 {
		key := freeKey(t)
		q := openLending(t, key, 50*time.Millisecond)
		r := lending(t, q, mq.Any())
		send(t, q, 1, 2, 3)
		l, err := r.Lease(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		scribble(t, key, seed)
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			l, err := r.Lease(ctx)
			cancel()
			if err != nil {
				continue
			}
			l.Extend(t.Context())
			if l.Nak(t.Context(), 0) != nil {
				l.Ack(t.Context())
			}
		}
		l.Ack(t.Context())
		q.Remove()
		if err := q.Close(); err != nil {
			t.Error(err)
		}
		if id, errno := sys.Shmget(uint32(key), 0, 0); errno == 0 {
			sys.ShmRemove(id) // it is no longer recognized as a pool
		}
	}
}

// scribble writes over the pool of a queue.
func scribble(t *testing.T, key sysv.Key, seed int) {
	t.Helper()
	id, errno := sys.Shmget(uint32(key), 0, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	s, errno := sys.ShmAttach(id, false)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer s.Detach()
	from := []int{0, 64, 4096, 20480, 40960}[seed%5]
	x := uint64(seed)*0x9e3779b97f4a7c15 + 1
	words := s.Words(from, min((s.Size()-from)/8, 20000))
	for i := range words {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		switch {
		case seed < 5:
			words[i].Store(0)
		case seed < 10:
			words[i].Store(1<<64 - 1)
		case x%3 == 0:
			words[i].Store(x)
		}
	}
}

func TestAMessageLongerThanThePoolsRoomIsRefusedAndStays(t *testing.T) {
	setLimit(t, "msgmax", 1000)
	key := freeKey(t)
	q := openLending(t, key, time.Minute)
	r := lending(t, q, mq.Any())
	setLimit(t, "msgmax", 3000)
	if err := q.Send(t.Context(), mq.Message{Type: 1, Data: make([]byte, 2000)}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := r.Lease(t.Context()); !errors.Is(err, mq.ErrTooLarge) || !strings.Contains(err.Error(), "1000 bytes") {
			t.Errorf("got %v", err)
		}
	}
	if n := waiting(t, q); n != 1 {
		t.Errorf("%d messages are in the queue", n)
	}
	setLimit(t, "msgmax", 500) // which leaves what is there
	send(t, q, 2)
	two := lending(t, q, mq.Type(2))
	if got := leaseAll(t, two, 1); len(got) != 1 {
		t.Errorf("got %v", got)
	}
}

func TestAPoolOfAnotherVersionIsRefused(t *testing.T) {
	key := freeKey(t)
	q := openLending(t, key, time.Minute)
	lending(t, q, mq.Any())
	id, _ := sys.Shmget(uint32(key), 0, 0)
	s, errno := sys.ShmAttach(id, false)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer s.Detach()
	s.Words(8, 1)[0].Store(77)
	defer s.Words(8, 1)[0].Store(1)
	if _, err := openLending(t, key, time.Minute).SelectLeases(mq.Any()); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "version 77") {
		t.Errorf("got %v", err)
	}
}
