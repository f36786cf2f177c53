package mqtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ipcmq/mq"
)

// ifLends skips check for queues that do not lend.
func ifLends(check func(*fixture)) func(*fixture) {
	return func(f *fixture) {
		if f.lends {
			check(f)
		}
	}
}

// isLending reports whether the queue is an mq.Leaser that lends. If selectors
// exclude each other it tries another queue, so that all can be used on this
// one.
func (f *fixture) isLending() bool {
	q, ok := f.q.(mq.Leaser)
	if !ok {
		return false
	}
	if f.can.Exclusive {
		other := f.create(f.T)()
		defer other.Close()
		q = other.(mq.Leaser)
	}
	_, err := q.SelectLeases(mq.Any())
	return !errors.Is(err, errors.ErrUnsupported)
}

// lending returns a receiver of leases of every message of q.
func (f *fixture) lending(q mq.Queue) mq.LeaseReceiver {
	f.Helper()
	r, err := q.(mq.Leaser).SelectLeases(mq.Any())
	if err != nil {
		f.Fatalf("SelectLeases: %v", err)
	}
	return r
}

// lease takes a message on lease that is there, or will be soon.
func (f *fixture) lease(r mq.LeaseReceiver) mq.Lease {
	f.Helper()
	l, err := r.Lease(f.patient())
	if err != nil {
		f.Fatalf("Lease: %v", err)
	}
	f.lasts = max(f.lasts, time.Until(l.Deadline())) // a busy machine makes some look short
	return l
}

// ack acknowledges, also from other goroutines.
func (f *fixture) ack(l mq.Lease) {
	f.Helper()
	if err := l.Ack(f.patient()); err != nil {
		f.Errorf("Ack: %v", err)
	}
}

// notLent returns an error if q lends a message before until.
func (f *fixture) notLent(q mq.Queue, until time.Time) error {
	f.Helper()
	ctx, cancel := context.WithDeadline(f.Context(), until)
	defer cancel()
	r := f.lending(q)
	var l mq.Lease
	err := f.start(ctx, "Lease", func(ctx context.Context) error {
		var err error
		l, err = r.Lease(ctx)
		return err
	}).await()
	if err == nil {
		return fmt.Errorf("lent %q, attempt %d", l.Message().Data, l.Attempt())
	}
	f.wants(err, context.DeadlineExceeded)
	return nil
}

// sameAgain fails the test unless second is the message of first, lent once
// more.
func (f *fixture) sameAgain(first, second mq.Lease) {
	f.Helper()
	if second.Sequence() != first.Sequence() || second.Attempt() != first.Attempt()+1 || string(second.Message().Data) != string(first.Message().Data) {
		f.Fatalf("lent %q, sequence %d, attempt %d; and then %q, sequence %d, attempt %d",
			first.Message().Data, first.Sequence(), first.Attempt(), second.Message().Data, second.Sequence(), second.Attempt())
	}
}

// early is how much earlier than by our clock the queue may end a lease.
func (f *fixture) early() time.Duration { return f.lasts / 4 }

// timely repeats check until it returns before the lease that it returns has
// run out: otherwise, on a busy machine, its result would mean nothing.
func (f *fixture) timely(check func(*fixture) (mq.Lease, error)) {
	f.Helper()
	for range 10 {
		f := newFixture(f.T, f.create)
		l, err := check(f)
		if time.Until(l.Deadline()) < 0 {
			continue
		}
		if err != nil {
			f.Fatal(err)
		}
		return
	}
	f.tooShort()
}

// tooShort fails the test after 10 tries.
func (f *fixture) tooShort() {
	f.Helper()
	f.Fatal("in 10 tries, nothing was done before a lease ran out: leases are too short for this machine")
}
