package lease_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/stream/lease"
)

// trip is what calls of a far queue take.
const trip = 10 * time.Millisecond

// A far queue is on another host: each call takes a round trip.
type far struct {
	*mqtest.Queue
	mu      sync.Mutex
	refuse  error         // what acknowledging together fails with, if not nil
	stopped chan struct{} // what acknowledging together waits for, if not nil
}

func newFar(tb testing.TB) *far {
	q := mqtest.New(&mqtest.Config{Lease: leaseTime, Capacity: 1 << 20})
	tb.Cleanup(func() { q.Close() })
	return &far{Queue: q}
}

func (q *far) Capabilities() mq.Capabilities {
	can := q.Queue.Capabilities()
	can.Remote = true
	return can
}

func (q *far) SelectLeases(s mq.Selector) (mq.LeaseReceiver, error) {
	r, err := q.Queue.SelectLeases(s)
	return &farReceiver{r, q}, err
}

type farReceiver struct {
	mq.LeaseReceiver
	q *far
}

func (r *farReceiver) LeaseBatch(ctx context.Context, n int) ([]mq.Lease, error) {
	<-time.After(trip)
	leases, err := r.LeaseReceiver.LeaseBatch(ctx, n)
	for i := range leases {
		leases[i] = farLease{leases[i]}
	}
	return leases, err
}

func (r *farReceiver) AckBatch(ctx context.Context, leases []mq.Lease) []error {
	<-time.After(trip)
	r.q.mu.Lock()
	stopped, refuse := r.q.stopped, r.q.refuse
	r.q.mu.Unlock()
	if stopped != nil {
		<-stopped
	}
	errs := make([]error, len(leases))
	for i, l := range leases {
		if errs[i] = refuse; refuse == nil {
			errs[i] = l.(farLease).Lease.Ack(ctx)
		}
	}
	return errs
}

type farLease struct{ mq.Lease }

func (l farLease) Ack(ctx context.Context) error {
	<-time.After(trip)
	return l.Lease.Ack(ctx)
}

// The next message is there when a handler returns, and the last one is acknowledged
// meanwhile.
func TestRoundTripsPassWhileHandlersRun(t *testing.T) {
	for _, concurrency := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			q := newFar(t)
			const all = 400
			send(t, q, 1, 0, all)
			start := time.Now()
			var begun, handled atomic.Int64
			done := make(chan struct{})
			r := startHandling(t, q, func(_ context.Context, d lease.Delivery) error {
				if n := begun.Add(1) - 1; concurrency == 1 && string(d.Data) != fmt.Sprint(n) {
					t.Errorf("message %d is %s", n, d.Data)
				}
				<-time.After(time.Millisecond)
				if handled.Add(1) == all {
					close(done)
				}
				return nil
			}, &lease.Config{Concurrency: concurrency, Drain: -1})
			<-done
			took := time.Since(start)
			if err := r.stop(); err != nil {
				t.Error(err)
			}
			empty(t, q.Queue)
			if least := all * time.Millisecond / time.Duration(concurrency); took > least*3/2+5*trip {
				t.Errorf("%d handlers at once: took %v for work of %v", concurrency, took, least)
			}
		})
	}
}

// holds fails the test unless the queue lends and has that many messages.
func (q *far) holds(t *testing.T, lent, all int) {
	t.Helper()
	if s := q.Stat(); s.Leased != lent || s.Messages+s.Leased != all {
		t.Errorf("%d messages are lent of %d; want %d of %d", s.Leased, s.Messages+s.Leased, lent, all)
	}
}

func TestNothingIsTakenAheadOfSlowHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFar(t)
		send(t, q, 1, 0, 10)
		r := startHandling(t, q, func(context.Context, lease.Delivery) error {
			<-time.After(time.Second)
			return nil
		}, nil)
		<-time.After(5*time.Second + time.Second/2)
		if s := q.Stat(); s.Leased > 1 {
			t.Errorf("%d messages are lent", s.Leased)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// startQuick starts handlers that are quick, and wait at the message "stop" until the
// channel that it returns is closed. It returns when that is handled.
func startQuick(t *testing.T, q mq.Queue, cfg *lease.Config, stop string) (*running, chan struct{}) {
	begun, release := make(chan struct{}), make(chan struct{})
	r := startHandling(t, q, func(ctx context.Context, d lease.Delivery) error {
		if string(d.Data) == stop {
			close(begun)
			<-release
		} else {
			<-time.After(time.Millisecond)
		}
		return nil
	}, cfg)
	<-begun
	<-time.After(5 * trip)
	return r, release
}

func TestWhatWaitsTooLongIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFar(t)
		send(t, q, 1, 0, 200)
		r, release := startQuick(t, q, nil, "100")
		if s := q.Stat(); s.Leased < 2 || s.Leased > 22 {
			t.Errorf("%d messages are lent", s.Leased)
		}
		<-time.After(time.Second)
		q.holds(t, 1, 100)
		<-time.After(10 * time.Second)
		q.holds(t, 1, 100) // no more are taken
		other := lend(t, q.Queue)
		l, err := other.Lease(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if m := l.Message(); string(m.Data) != "101" || l.Attempt() != 2 {
			t.Errorf("another gets %s, attempt %d", m.Data, l.Attempt())
		}
		if err := l.Ack(t.Context()); err != nil {
			t.Error(err)
		}
		close(release)
		<-time.After(10 * time.Second)
		q.holds(t, 0, 0)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestWhatWaitsIsGivenBackAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFar(t)
		send(t, q, 1, 0, 200)
		r, release := startQuick(t, q, &lease.Config{Drain: -1}, "100")
		r.cancel(nil)
		<-time.After(5 * trip)
		q.holds(t, 1, 100)
		close(release)
		if err := <-r.err; err != nil {
			t.Error(err)
		}
		q.holds(t, 0, 99)
	})
}

func TestNothingIsTakenAheadWhereItMayNot(t *testing.T) {
	for name, cfg := range map[string]*lease.Config{
		"by Prefetch":                     {Prefetch: -1},
		"of a single attempt":             {MaxAttempts: 1, DeadLetter: func(context.Context, lease.Delivery, error) error { return nil }},
		"along with what was lent before": {},
	} {
		synctest.Test(t, func(t *testing.T) {
			q := newFar(t)
			send(t, q, 1, 0, 200)
			if name == "along with what was lent before" {
				leases, err := lend(t, q.Queue).LeaseBatch(t.Context(), 200)
				if err != nil {
					t.Fatal(err)
				}
				for _, l := range leases {
					if err := l.Nak(t.Context(), 0); err != nil {
						t.Fatal(err)
					}
				}
			}
			r, release := startQuick(t, q, cfg, "100")
			if s := q.Stat(); s.Leased != 1 {
				t.Errorf("%s: %d messages are lent", name, s.Leased)
			}
			close(release)
			if err := r.stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// What cannot be acknowledged together is acknowledged by itself.
func TestWhatIsNotConfirmedIsAcknowledgedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFar(t)
		q.refuse = inDoubt("ack")
		send(t, q, 1, 0, 200)
		r, release := startQuick(t, q, &lease.Config{OnError: func(d lease.Delivery, err error) { t.Errorf("%s: %v", d.Data, err) }}, "199")
		close(release)
		<-time.After(5 * trip)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		q.holds(t, 0, 0)
	})
}

// A handler that ends its goroutine takes none of those that wait with it.
func TestAHandlerOfWhatWaitedMayEndItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFar(t)
		send(t, q, 1, 0, 200)
		var handled atomic.Int64
		r := startHandling(t, q, func(_ context.Context, d lease.Delivery) error {
			if d.Attempt == 1 && d.Sequence%50 == 0 {
				runtime.Goexit()
			}
			handled.Add(1)
			return nil
		}, &lease.Config{Concurrency: 2, RetryDelay: func(int, error) time.Duration { return 0 }})
		<-time.After(10 * time.Second)
		if n := handled.Load(); n != 200 {
			t.Errorf("%d are handled", n)
		}
		q.holds(t, 0, 0)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// Handle returns when all is confirmed, and no more is handled than may be unconfirmed.
func TestHandleWaitsForConfirmations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFar(t)
		q.stopped = make(chan struct{})
		send(t, q, 1, 0, 2000)
		var handled atomic.Int64
		r := startHandling(t, q, func(context.Context, lease.Delivery) error {
			handled.Add(1)
			return nil
		}, &lease.Config{Concurrency: 3})
		<-time.After(time.Minute)
		const most = 512 + 3
		if n := handled.Load(); n != most {
			t.Errorf("%d are handled; want %d", n, most)
		}
		ended := make(chan error, 1)
		go func() { ended <- r.stop() }()
		synctest.Wait()
		select {
		case err := <-ended:
			t.Errorf("Handle has returned %v", err)
		default:
		}
		close(q.stopped)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if s := q.Stat(); s.Messages != 2000-most || s.Leased != 0 {
			t.Errorf("%+v is left", s)
		}
	})
}

func TestPrefetchHasALimit(t *testing.T) {
	err := lease.Handle(t.Context(), newFar(t), func(context.Context, lease.Delivery) error { return nil }, &lease.Config{Prefetch: 1 << 20})
	if !errors.Is(err, mq.ErrInvalidConfig) {
		t.Errorf("got %v", err)
	}
}
