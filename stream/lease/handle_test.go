package lease_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/stream/lease"
)

// leaseTime is how long leases of these tests last, by the clock of a bubble.
const leaseTime = 10 * time.Second

func lendingQueue(tb testing.TB) *mqtest.Queue {
	q := mqtest.New(&mqtest.Config{Lease: leaseTime})
	tb.Cleanup(func() { q.Close() })
	return q
}

// A running is a Handle in a goroutine.
type running struct {
	cancel context.CancelCauseFunc
	err    chan error
}

func startHandling(tb testing.TB, q mq.Queue, h lease.Handler, cfg *lease.Config) *running {
	ctx, cancel := context.WithCancelCause(tb.Context())
	r := &running{cancel: cancel, err: make(chan error, 1)}
	go func() { r.err <- lease.Handle(ctx, q, h, cfg) }()
	return r
}

// stop ends the loop and returns its error.
func (r *running) stop() error {
	r.cancel(errors.New("stopped by the test"))
	return <-r.err
}

// A journal records events, in order.
type journal struct {
	start time.Time

	mu     sync.Mutex
	events []string
}

func newJournal() *journal { return &journal{start: time.Now()} }

// note adds an event with the time since the start.
func (j *journal) note(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, fmt.Sprintf("%v ", time.Since(j.start))+fmt.Sprintf(format, args...))
}

// isInAnyOrder is like is, for events of the same moment.
func (j *journal) isInAnyOrder(tb testing.TB, want ...string) {
	tb.Helper()
	j.mu.Lock()
	slices.Sort(j.events)
	j.mu.Unlock()
	j.is(tb, want...)
}

func (j *journal) is(tb testing.TB, want ...string) {
	tb.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	if !slices.Equal(j.events, want) {
		tb.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(j.events, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// empty fails the test unless the queue has no message, lent or not.
func empty(tb testing.TB, q *mqtest.Queue) {
	tb.Helper()
	if s := q.Stat(); s != (mqtest.Stat{}) {
		tb.Errorf("the queue has %+v", s)
	}
}

func TestHandledMessagesAreAcknowledgedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := lendingQueue(t)
		send(t, q, 3, 0, 4)
		send(t, q, 5, 100, 101)
		var got []string
		r := startHandling(t, q, func(_ context.Context, d lease.Delivery) error {
			if d.Attempt != 1 || d.Sequence != uint64(len(got)+1) || d.Type != 3 {
				t.Errorf("got %+v", d)
			}
			if s := q.Stat(); s.Leased != 1 {
				t.Errorf("%d messages are lent, while one is handled", s.Leased)
			}
			got = append(got, string(d.Data))
			return nil
		}, &lease.Config{Select: mq.Type(3)})
		synctest.Wait()
		if want := []string{"0", "1", "2", "3"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if s := q.Stat(); s != (mqtest.Stat{Messages: 1, Bytes: 3, Receivers: 1}) {
			t.Errorf("%+v: want the message of the other type", s)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestFailedAttemptsAreRepeatedWithBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, j := lendingQueue(t), newJournal()
		send(t, q, 1, 0, 2)
		broken := errors.New("broken")
		r := startHandling(t, q, func(_ context.Context, d lease.Delivery) error {
			j.note("%s attempt %d", d.Data, d.Attempt)
			switch {
			case string(d.Data) == "1":
				return nil
			case d.Attempt == 2:
				panic(broken)
			case d.Attempt == 4:
				return nil
			}
			return broken
		}, &lease.Config{OnError: func(d lease.Delivery, err error) {
			var p *mq.PanicError
			panicked := errors.As(err, &p) && strings.Contains(string(p.Stack), "handle_test.go")
			if !errors.Is(err, broken) || panicked != (d.Attempt == 2) {
				t.Errorf("attempt %d: %v", d.Attempt, err)
			}
			j.note("%v", err)
		}})
		<-time.After(time.Hour)
		j.is(t, "0s 0 attempt 1", "0s broken", "0s 1 attempt 1", "1s 0 attempt 2", "1s handler panicked: broken",
			"3s 0 attempt 3", "3s broken", "7s 0 attempt 4")
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		empty(t, q)
	})
}

func TestBackoffDoublesUpToAMinute(t *testing.T) {
	want := map[int]time.Duration{-1: time.Second, 0: time.Second, 1: time.Second, 2: 2 * time.Second, 6: 32 * time.Second,
		7: time.Minute, 8: time.Minute, math.MaxInt: time.Minute}
	for attempt, d := range want {
		if got := lease.Backoff(attempt, nil); got != d {
			t.Errorf("Backoff(%d) = %v, want %v", attempt, got, d)
		}
	}
}

func TestTheDelayMayDependOnTheError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, j := lendingQueue(t), newJournal()
		send(t, q, 1, 0, 1)
		r := startHandling(t, q, func(_ context.Context, d lease.Delivery) error {
			j.note("attempt %d", d.Attempt)
			return []error{errors.New("busy"), os.ErrNotExist, nil}[d.Attempt-1]
		}, &lease.Config{RetryDelay: func(attempt int, err error) time.Duration {
			if errors.Is(err, os.ErrNotExist) {
				return -time.Second
			}
			return time.Duration(attempt) * time.Hour
		}})
		<-time.After(2 * time.Hour)
		j.is(t, "0s attempt 1", "1h0m0s attempt 2", "1h0m0s attempt 3")
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestALeaseIsKeptWhileAHandlerRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, j := lendingQueue(t), newJournal()
		send(t, q, 1, 0, 2)
		for range 2 { // competing
			startHandling(t, q.Open(), func(ctx context.Context, d lease.Delivery) error {
				<-time.After(10 * leaseTime)
				j.note("%s attempt %d %v", d.Data, d.Attempt, ctx.Err())
				return nil
			}, nil)
		}
		<-time.After(time.Hour)
		j.isInAnyOrder(t, "1m40s 0 attempt 1 <nil>", "1m40s 1 attempt 1 <nil>")
		if s := q.Stat(); s.Messages+s.Leased != 0 {
			t.Errorf("the queue has %+v", s)
		}
	})
}

func TestNoMoreAreTakenThanAreHandled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const concurrency = 3
		q := lendingQueue(t)
		send(t, q, 1, 0, 10)
		next := make(chan struct{})
		var handling, handled atomic.Int32
		r := startHandling(t, q, func(ctx context.Context, d lease.Delivery) error {
			handling.Add(1)
			defer handling.Add(-1)
			select {
			case <-next:
				handled.Add(1)
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}, &lease.Config{Concurrency: concurrency})
		for n := range 8 {
			synctest.Wait()
			want := min(concurrency, 10-n)
			if s := q.Stat(); s.Leased != want || int(handling.Load()) != want || s.Messages != 10-n-want {
				t.Fatalf("after %d messages: %+v, %d handled now; want %d", n, s, handling.Load(), want)
			}
			next <- struct{}{}
		}
		synctest.Wait()
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if s := q.Stat(); s.Messages != 2 || s.Leased != 0 || handled.Load() != 8 {
			t.Errorf("stopped after %d messages with %+v; want 2 given back", handled.Load(), s)
		}
	})
}

func TestStoppingWaitsAndGivesBackAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, j := lendingQueue(t), newJournal()
		send(t, q, 1, 0, 4)
		r := startHandling(t, q, func(ctx context.Context, d lease.Delivery) error {
			switch string(d.Data) {
			case "0": // finishes, long after its first lease
				<-ctx.Done()
				<-time.After(3 * leaseTime)
				j.note("finished")
				return nil
			case "1":
				<-ctx.Done()
				return ctx.Err()
			case "2":
				<-ctx.Done()
				return fmt.Errorf("gave up: %w", context.Cause(ctx))
			}
			<-ctx.Done()
			return errors.New("broken just then")
		}, &lease.Config{Concurrency: 4, OnError: func(d lease.Delivery, err error) { j.note("%s: %v", d.Data, err) }})
		synctest.Wait()
		r.cancel(errors.New("lunch"))
		synctest.Wait()
		if s := q.Stat(); s.Messages != 2 || s.Leased != 2 { // 3 has its delay
			t.Errorf("after cancel: %+v, want 1 and 2 given back at once", s)
		}
		if err := <-r.err; err != nil {
			t.Error(err)
		}
		j.is(t, "0s 3: broken just then", "30s finished")
		if s := q.Stat(); s.Messages != 3 || s.Leased != 0 {
			t.Errorf("after the end: %+v, want 1, 2 and 3", s)
		}
	})
}

func TestPoisonGoesToDeadLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, dead, j := lendingQueue(t), mqtest.New(nil), newJournal()
		broken := errors.New("broken")
		send(t, q, 1, 0, 2)
		full := true
		r := startHandling(t, q, func(ctx context.Context, d lease.Delivery) error {
			if string(d.Data) == "1" {
				return nil
			}
			j.note("attempt %d", d.Attempt)
			copy(d.Data, "x") // the handler owns it
			return broken
		}, &lease.Config{
			MaxAttempts: 2,
			DeadLetter: func(ctx context.Context, d lease.Delivery, err error) error {
				j.note("dead letter: %q, attempt %d: %v", d.Data, d.Attempt, err)
				if !errors.Is(err, broken) || errors.Is(err, lease.ErrAttempts) != (d.Attempt > 2) {
					t.Errorf("got %v", err)
				}
				if full {
					full = false
					panic("no room")
				}
				return dead.Send(ctx, d.Message)
			},
			OnError: func(d lease.Delivery, err error) { j.note("error: %v", err) },
		})
		<-time.After(time.Hour)
		j.is(t, "0s attempt 1", "0s error: broken", "1s attempt 2", "1s error: broken",
			`1s dead letter: "0", attempt 2: broken`, "1s error: dead letter: handler panicked: no room",
			`3s dead letter: "0", attempt 3: too many attempts: attempt 3, MaxAttempts = 2; the last one failed with: broken`)
		if m, err := dead.TryReceive(); err != nil || string(m.Data) != "0" || m.Type != 1 {
			t.Errorf("the dead letter is %+v, %v", m, err)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		empty(t, q)
	})
}

func TestMessagesOfDeadHoldersAreCountedAndHandled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, j := lendingQueue(t), newJournal()
		send(t, q, 1, 0, 1)
		died, err := q.Open().SelectLeases(mq.Any())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := died.Lease(t.Context()); err != nil {
			t.Fatal(err)
		}
		r := startHandling(t, q, func(_ context.Context, d lease.Delivery) error {
			j.note("attempt %d", d.Attempt)
			return nil
		}, nil)
		<-time.After(time.Hour)
		j.is(t, "10s attempt 2")
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		empty(t, q)
	})
}

func TestAHandlerThatExitsItsGoroutineGivesTheMessageBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, j := lendingQueue(t), newJournal()
		send(t, q, 1, 0, 1)
		r := startHandling(t, q, func(_ context.Context, d lease.Delivery) error {
			j.note("attempt %d", d.Attempt)
			if d.Attempt <= 3 {
				runtime.Goexit()
			}
			return nil
		}, &lease.Config{
			OnError: func(d lease.Delivery, err error) {
				j.note("error %v", err)
				if d.Attempt == 2 {
					runtime.Goexit()
				}
			},
			RetryDelay: func(attempt int, _ error) time.Duration {
				if attempt == 3 {
					runtime.Goexit()
				}
				return time.Second
			},
		})
		<-time.After(time.Hour)
		const failed = "error the handler has called runtime.Goexit"
		j.is(t, "0s attempt 1", "0s "+failed, "1s attempt 2", "1s "+failed, "1s attempt 3", "1s "+failed, "1s attempt 4")
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		empty(t, q)
	})
}
