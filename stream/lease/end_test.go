package lease_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
	"ipcmq/stream/lease"
)

func TestTheEndOfTheQueueEndsHandling(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(*mqtest.Queue) error
		want error
	}{
		{"Close", (*mqtest.Queue).Close, mq.ErrClosed},
		{"Remove", (*mqtest.Queue).Remove, mq.ErrRemoved},
	} {
		for _, busy := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s busy=%v", c.name, busy), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					q := lendingQueue(t)
					r := startHandling(t, q, func(ctx context.Context, d lease.Delivery) error {
						<-ctx.Done()
						return context.Cause(ctx)
					}, nil)
					if busy {
						send(t, q, 1, 0, 2)
					}
					synctest.Wait()
					start := time.Now()
					if err := c.end(q); err != nil {
						t.Fatal(err)
					}
					if err := <-r.err; !errors.Is(err, c.want) {
						t.Errorf("got %v, want %v", err, c.want)
					}
					if d := time.Since(start); d > leaseTime/2 { // when the lease is due to be extended
						t.Errorf("ended after %v", d)
					}
				})
			})
		}
	}
}

func TestAnEndedContextHandlesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := lendingQueue(t)
		send(t, q, 1, 0, 1)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := lease.Handle(ctx, q, func(context.Context, lease.Delivery) error {
			t.Error("handled")
			return nil
		}, nil)
		if s := q.Stat(); err != nil || s.Messages != 1 {
			t.Errorf("got %v, leaving %+v", err, s)
		}
	})
}

func TestQueuesThatDoNotLendAreRefused(t *testing.T) {
	for _, b := range []struct { // with their defaults
		name, says string
		open       func(*testing.T) mq.Queue
	}{
		{"Memory", "does not lend its messages", func(t *testing.T) mq.Queue {
			q := mqtest.New(nil)
			t.Cleanup(func() { q.Close() })
			return q
		}},
		{"SysV", "a private queue has no key", func(t *testing.T) mq.Queue {
			q, err := sysv.Open(sysv.Private, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { q.Remove(); q.Close() })
			return q
		}},
		{"POSIX", "does not lend its messages", func(t *testing.T) mq.Queue {
			testutil.NotEmulated(t, "the emulator hands mips's own O_NONBLOCK to mq_setattr", "mips", "mipsle", "mips64", "mips64le")
			q, err := posix.Open(fmt.Sprintf("/ipcmq-lease-%d", time.Now().UnixNano()), &posix.Config{Exclusive: true, MaxMessages: 8, MaxMessageSize: 64})
			if errors.Is(err, errors.ErrUnsupported) {
				testutil.Lacking(t, "POSIX queues")
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { q.Unlink(); q.Close() })
			return q
		}},
	} {
		t.Run(b.name, func(t *testing.T) {
			q := b.open(t)
			err := lease.Handle(t.Context(), q, func(context.Context, lease.Delivery) error { return nil }, nil)
			var e *mq.Error
			if !errors.Is(err, errors.ErrUnsupported) || !errors.As(err, &e) || !strings.Contains(err.Error(), b.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestHandlingRefusesInvalidConfigs(t *testing.T) {
	q := lendingQueue(t)
	ok := func(context.Context, lease.Delivery) error { return nil }
	dead := func(context.Context, lease.Delivery, error) error { return nil }
	for _, c := range []struct {
		h    lease.Handler
		cfg  lease.Config
		want error
		text string
	}{
		{nil, lease.Config{}, mq.ErrInvalidConfig, "handler is nil"},
		{ok, lease.Config{Concurrency: -1}, mq.ErrInvalidConfig, "Concurrency = -1"},
		{ok, lease.Config{MaxAttempts: -2, DeadLetter: dead}, mq.ErrInvalidConfig, "MaxAttempts = -2"},
		{ok, lease.Config{MaxAttempts: 2}, mq.ErrInvalidConfig, "without DeadLetter"},
		{ok, lease.Config{DeadLetter: dead}, mq.ErrInvalidConfig, "without MaxAttempts"},
		{ok, lease.Config{Select: mq.Type(0)}, mq.ErrInvalidType, "begin at 1"},
	} {
		if err := lease.Handle(t.Context(), q, c.h, &c.cfg); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%+v: got %v", c.cfg, err)
		}
	}
}
