package lease_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/mq"
	"ipcmq/stream/lease"
)

// After the end nothing more is handled; running handlers have the time of
// Drain.
func TestDrainLetsHandlersFinish(t *testing.T) {
	for _, c := range []struct {
		name  string
		drain time.Duration
		want  []string // after the end, which comes after 1 s
		left  int
	}{
		{"none", 0, []string{"1s 0 ended by stopped by the test", "1s 1 ended by stopped by the test"}, 4},
		{"too short for one", 5 * time.Second, []string{"3s 0 done", "6s 1 ended by stopped by the test"}, 3},
		{"long enough", time.Minute, []string{"31s 1 done", "3s 0 done"}, 2},
		{"without a limit", -1, []string{"31s 1 done", "3s 0 done"}, 2},
	} {
		handle := func(t *testing.T, start func(*testing.T, *journal, mq.Queue) *running) {
			synctest.Test(t, func(t *testing.T) {
				q, j := lendingQueue(t), newJournal()
				send(t, q, 1, 0, 4)
				r := start(t, j, q)
				<-time.After(time.Second)
				if err := r.stop(); err != nil {
					t.Error(err)
				}
				j.isInAnyOrder(t, c.want...)
				if s := q.Stat(); s.Messages != c.left || s.Leased != 0 {
					t.Errorf("%+v is left, not %d messages", s, c.left)
				}
				for range c.left { // without delay
					l, err := lend(t, q).Lease(t.Context())
					if err != nil || time.Since(j.start) > 32*time.Second {
						t.Fatal(err, time.Since(j.start))
					}
					if err := l.Ack(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		work := func(ctx context.Context, j *journal, d lease.Delivery) error {
			took := map[string]time.Duration{"0": 3 * time.Second, "1": 31 * time.Second}[string(d.Data)]
			if took == 0 {
				j.note("%s begun", d.Data)
			}
			select {
			case <-time.After(took):
				j.note("%s done", d.Data)
				return nil
			case <-ctx.Done():
				j.note("%s ended by %v", d.Data, context.Cause(ctx))
				return fmt.Errorf("ended: %w", ctx.Err())
			}
		}
		t.Run(c.name, func(t *testing.T) {
			handle(t, func(t *testing.T, j *journal, q mq.Queue) *running {
				return startHandling(t, q, func(ctx context.Context, d lease.Delivery) error { return work(ctx, j, d) },
					&lease.Config{Concurrency: 2, Drain: c.drain})
			})
		})
		t.Run(c.name+" in batches", func(t *testing.T) {
			handle(t, func(t *testing.T, j *journal, q mq.Queue) *running {
				return startBatches(t, q, func(ctx context.Context, batch []lease.Delivery) error { return work(ctx, j, batch[0]) },
					&lease.BatchConfig{Config: lease.Config{Concurrency: 2, Drain: c.drain}, MaxItems: 1})
			})
		})
	}
}

// A message that fails while the loop drains is given back as usual, with its
// delay.
func TestFailuresWhileDrainingWaitForTheirDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, j := lendingQueue(t), newJournal()
		send(t, q, 1, 0, 1)
		r := startHandling(t, q, func(context.Context, lease.Delivery) error {
			<-time.After(3 * time.Second)
			return errors.New("broken")
		}, &lease.Config{Drain: time.Minute, RetryDelay: func(int, error) time.Duration { return 10 * time.Second }})
		<-time.After(time.Second)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		j.note("ended")
		l, err := lend(t, q).Lease(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		j.note("attempt %d", l.Attempt())
		j.is(t, "3s ended", "13s attempt 2")
	})
}

func lend(tb testing.TB, q mq.Leaser) mq.LeaseReceiver {
	tb.Helper()
	r, err := q.SelectLeases(mq.Any())
	if err != nil {
		tb.Fatal(err)
	}
	return r
}
