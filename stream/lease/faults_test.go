package lease_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/stream/lease"
)

func TestHandlingWaitsForAnUnavailableQueue(t *testing.T) {
	for name, up := range map[string]string{"for all": "", "for leases": "select leases"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newDistant(t)
				send(t, q, 1, 0, 2)
				q.setDownBut(up, unavailable("lease"))
				r := startHandling(t, q, func(_ context.Context, d lease.Delivery) error {
					q.j.note("%s attempt %d", d.Data, d.Attempt)
					return nil
				}, &lease.Config{OnError: func(_ lease.Delivery, err error) { t.Error(err) }})
				<-time.After(time.Minute)
				q.setDown(nil)
				q.loseAnswer("ack", inDoubt("ack"))
				<-time.After(time.Minute)
				if err := r.stop(); err != nil {
					t.Error(err)
				}
				// The pauses double from 10 ms to 1 s: 1.27 s, and every second from then on.
				q.j.is(t, "1m0.27s 0 attempt 1", "1m0.27s answer of ack is lost", "1m0.28s 1 attempt 1")
				empty(t, q.Queue)
			})
		})
	}
}

func TestHandlingEndsWhileTheQueueIsUnavailable(t *testing.T) {
	handler := func(context.Context, lease.Delivery) error { return nil }
	synctest.Test(t, func(t *testing.T) {
		q := newDistant(t)
		q.setDown(inDoubt("select leases"))
		r := startHandling(t, q, handler, nil)
		<-time.After(time.Minute)
		if err := r.stop(); err != nil {
			t.Errorf("ended by its context: %v", err)
		}
		q.j.note("ended")
		r = startHandling(t, q, handler, nil)
		<-time.After(time.Minute)
		q.setDown(mq.ErrRemoved)
		if err := <-r.err; !errors.Is(err, mq.ErrRemoved) {
			t.Errorf("ended by the queue: %v", err)
		}
		q.j.is(t, "1m0s ended")
	})
	synctest.Test(t, func(t *testing.T) {
		q := mute{lendingQueue(t), newJournal(), make(chan struct{})}
		r := startHandling(t, q, handler, nil)
		synctest.Wait()
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		q.j.note("ended")
		close(q.closed)
		q.j.is(t, "0s ended")
	})
}

// mute is a queue on a server that does not answer until the queue is closed.
type mute struct {
	*mqtest.Queue
	j      *journal
	closed chan struct{}
}

func (q mute) SelectLeases(mq.Selector) (mq.LeaseReceiver, error) {
	<-q.closed
	return nil, &mq.Error{Op: "select leases", Kind: mq.ErrClosed}
}

func TestAnAcknowledgementIsRepeatedUntilItIsCertain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newDistant(t)
		send(t, q, 1, 0, 1)
		r := startHandling(t, q, func(_ context.Context, d lease.Delivery) error {
			q.j.note("attempt %d", d.Attempt)
			q.setDown(inDoubt("ack"))
			return nil
		}, nil)
		<-time.After(leaseTime / 2)
		q.setDown(nil)
		<-time.After(leaseTime)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		q.j.is(t, "0s attempt 1")
		empty(t, q.Queue)
	})
}

func TestAFailedAcknowledgementIsReported(t *testing.T) {
	for _, down := range []error{inDoubt("ack"), unavailable("ack")} {
		t.Run(down.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newDistant(t)
				send(t, q, 1, 0, 1)
				r := startHandling(t, q, func(ctx context.Context, d lease.Delivery) error {
					<-ctx.Done()
					q.setDown(down)
					return nil
				}, &lease.Config{OnError: func(_ lease.Delivery, err error) { q.j.note("%v", err) }})
				synctest.Wait()
				start := time.Now()
				err := r.stop()
				if !errors.Is(err, down) {
					t.Errorf("got %v", err)
				}
				if d := time.Since(start); d != leaseTime {
					t.Errorf("ended after %v; it may try until the lease runs out", d)
				}
				q.j.is(t, fmt.Sprintf("10s message 1 was handled but may be handled again: %v", down))
				synctest.Wait()
				if s := q.Stat(); s.Messages != 1 {
					t.Errorf("%+v: want the message again", s)
				}
			})
		})
	}
}

// forgetful is a queue on a server that was killed while a message was lent,
// and does not answer the first acknowledgement.
type forgetful struct{ *mqtest.Queue }

func (q forgetful) SelectLeases(s mq.Selector) (mq.LeaseReceiver, error) {
	r, err := q.Queue.SelectLeases(s)
	return forgetfulReceiver{r}, err
}

type forgetfulReceiver struct{ mq.LeaseReceiver }

func (r forgetfulReceiver) LeaseBatch(ctx context.Context, n int) ([]mq.Lease, error) {
	leases, err := r.LeaseReceiver.LeaseBatch(ctx, n)
	for i, l := range leases {
		leases[i] = forgottenLease{l}
	}
	return leases, err
}

type forgottenLease struct{ mq.Lease }

func (l forgottenLease) Ack(ctx context.Context) error {
	if l.Attempt() > 1 {
		return l.Lease.Ack(ctx)
	}
	<-ctx.Done()
	return &mq.Error{Op: "ack", Kind: mq.ErrInDoubt, Err: ctx.Err()}
}

func TestAnUnansweredAcknowledgementBlocksNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, j := lendingQueue(t), newJournal()
		send(t, q, 1, 0, 1)
		r := startHandling(t, forgetful{q}, func(_ context.Context, d lease.Delivery) error {
			j.note("attempt %d", d.Attempt)
			return nil
		}, &lease.Config{OnError: func(_ lease.Delivery, err error) {
			if !errors.Is(err, mq.ErrInDoubt) {
				t.Error(err)
			}
			j.note("given up")
		}})
		<-time.After(2 * leaseTime)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		j.is(t, "0s attempt 1", "10s given up", "10s attempt 2")
		empty(t, q)
	})
}

func TestALeaseThatCannotBeExtendedEndsTheHandler(t *testing.T) {
	for _, heeds := range []bool{true, false} {
		t.Run(fmt.Sprintf("heeds=%v", heeds), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newDistant(t)
				send(t, q, 1, 0, 1)
				r := startHandling(t, q, func(ctx context.Context, d lease.Delivery) error {
					q.j.note("attempt %d", d.Attempt)
					if d.Attempt > 1 {
						return nil
					}
					<-time.After(4*leaseTime - time.Second) // extended every 5 s
					q.setDown(unavailable("extend"))
					<-ctx.Done()
					q.j.note("%v", context.Cause(ctx))
					if !errors.Is(context.Cause(ctx), lease.ErrLost) || !errors.Is(context.Cause(ctx), mq.ErrUnavailable) {
						t.Errorf("got %v", context.Cause(ctx))
					}
					q.setDown(nil)
					if heeds {
						return ctx.Err()
					}
					return nil
				}, &lease.Config{OnError: func(_ lease.Delivery, err error) { q.j.note("error: %v", err) }})
				<-time.After(time.Hour)
				if err := r.stop(); err != nil {
					t.Error(err)
				}
				want := []string{"0s attempt 1", "45s attempt 2",
					"45s error: lease has run out: mq: extend: queue is unavailable",
					"45s lease has run out: mq: extend: queue is unavailable"}
				if !heeds {
					want = slices.Delete(want, 1, 2)
				}
				q.j.isInAnyOrder(t, want...)
				empty(t, q.Queue)
			})
		})
	}
}

func TestALostAnswerWhileExtendingLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newDistant(t)
		send(t, q, 1, 0, 1)
		r := startHandling(t, q, func(ctx context.Context, d lease.Delivery) error {
			for range 4 {
				q.loseAnswer("extend", inDoubt("extend"))
				<-time.After(leaseTime)
			}
			q.j.note("%v", ctx.Err())
			return nil
		}, &lease.Config{OnError: func(_ lease.Delivery, err error) { t.Error(err) }})
		<-time.After(time.Hour)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if got := q.j.events[len(q.j.events)-1]; got != "40s <nil>" {
			t.Errorf("ended with %q", got)
		}
		empty(t, q.Queue)
	})
}

func TestGivingBackIsNotRepeatedInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newDistant(t)
		send(t, q, 1, 0, 1)
		r := startHandling(t, q, func(_ context.Context, d lease.Delivery) error {
			q.j.note("attempt %d", d.Attempt)
			switch d.Attempt {
			case 1:
				q.loseAnswer("nak", inDoubt("nak")) // but it was given back
				return errors.New("broken")
			case 2:
				q.setDown(inDoubt("nak")) // and it was not given back
				time.AfterFunc(leaseTime/2, func() { q.setDown(nil) })
				return errors.New("broken")
			case 3:
				q.setDown(unavailable("nak"))
				time.AfterFunc(leaseTime/2, func() { q.setDown(nil) })
				return errors.New("broken")
			case 4:
				q.setDown(unavailable("nak")) // until the lease has run out
				time.AfterFunc(2*leaseTime, func() { q.setDown(nil) })
				return errors.New("broken")
			}
			return nil
		}, &lease.Config{RetryDelay: func(int, error) time.Duration { return time.Second }})
		<-time.After(time.Hour)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		q.j.is(t, "0s attempt 1", "0s answer of nak is lost", "1s attempt 2", // after the delay
			"11s attempt 3",    // the lease ran out
			"17.27s attempt 4", // given back after 5.27 s
			"37.81s attempt 5") // lent again when the queue was back
		empty(t, q.Queue)
	})
}

func TestAnErrorOfAckEndsHandling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newDistant(t)
		send(t, q, 1, 0, 2)
		broken := errors.New("broken")
		q.loseAnswer("ack", broken)
		r := startHandling(t, q, func(_ context.Context, d lease.Delivery) error { return nil }, nil)
		if err := <-r.err; !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
		if s := q.Stat(); s.Messages != 1 || s.Leased != 0 {
			t.Errorf("%+v: want one message left", s)
		}
	})
}
