package mqtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"ipcmq/mq"
)

// leasePromises are those of queues that are an mq.Leaser and lend.
//
// What holds until a lease runs out is checked in a hurry: see timely. A server
// may count from a little before the lease arrives: see early.
var leasePromises = []promise{
	{"SelectLeasesRefusesWhatCannotBeLent", func(f *fixture) {
		q, ok := f.q.(mq.Leaser)
		if !ok {
			return
		}
		if !f.lends {
			_, err := q.SelectLeases(mq.Any())
			f.wants(err, errors.ErrUnsupported)
			return
		}
		for _, s := range []mq.Selector{mq.Type(0), mq.UpTo(0), mq.Except(0), mq.Type(-1), mq.UpTo(math.MinInt64)} {
			_, err := q.SelectLeases(s)
			f.wants(err, mq.ErrInvalidType)
		}
		for _, n := range []int{0, -1, math.MinInt} {
			_, err := f.lending(f.q).LeaseBatch(f.patient(), n)
			f.wants(err, mq.ErrInvalidConfig)
		}
	}},

	{"LeasesAreOfWhatIsSelected", ifLends(func(f *fixture) {
		if !slices.Contains(f.can.Selectors, mq.SelectType) {
			return
		}
		two, err := f.q.(mq.Leaser).SelectLeases(mq.Type(2))
		if errors.Is(err, errors.ErrUnsupported) {
			return
		}
		if err != nil {
			f.Fatalf("SelectLeases: %v", err)
		}
		f.send(mq.Message{Type: 1, Data: []byte("one")})
		f.send(mq.Message{Type: 2, Data: []byte("two")})
		l := f.lease(two)
		if m := l.Message(); m.Type != 2 || string(m.Data) != "two" {
			f.Errorf("got type %d, %q", m.Type, m.Data)
		}
		f.ack(l)
		one, err := f.q.Select(mq.Type(1)) // Any may be refused beside Type(2)
		if err != nil {
			f.Fatalf("Select: %v", err)
		}
		if m, err := one.Receive(f.patient()); err != nil || string(m.Data) != "one" {
			f.Errorf("got %q, %v", m.Data, err)
		}
	})},

	{"LeasedMessagesAreHiddenFromOthers", ifLends(func(f *fixture) {
		f.timely(func(f *fixture) (mq.Lease, error) {
			f.send(f.message("lent"))
			f.send(f.message("other"))
			l := f.lease(f.lending(f.q))
			if m := l.Message(); string(m.Data) != "lent" || m.Type != f.message("").Type || l.Attempt() != 1 {
				f.Fatalf("lent type %d, %q, attempt %d; want the first message, attempt 1", m.Type, m.Data, l.Attempt())
			}
			other := f.handle()
			m, err := other.TryReceive()
			if err == nil && string(m.Data) != "other" {
				return l, fmt.Errorf("TryReceive gives %q, which is lent", m.Data)
			}
			if err != nil {
				return l, fmt.Errorf("TryReceive of what is not lent: %w", err)
			}
			for _, q := range []mq.Queue{other, f.q} {
				if m, err := q.TryReceive(); !errors.Is(err, mq.ErrEmpty) {
					return l, fmt.Errorf("TryReceive gives %q, %v", m.Data, err)
				}
				if err := f.notLent(q, time.Now().Add(time.Millisecond)); err != nil {
					return l, err
				}
			}
			return l, nil
		})
	})},

	{"LeasedMessagesTakeRoomUntilAcked", ifLends(func(f *fixture) {
		f.timely(func(f *fixture) (mq.Lease, error) {
			f.fill()
			l := f.lease(f.lending(f.q))
			if err := f.q.TrySend(f.message("x")); !errors.Is(err, mq.ErrFull) {
				return l, fmt.Errorf("TrySend beside a message that is lent: %v, want %v", err, mq.ErrFull)
			}
			p := f.start(context.Background(), "Send", func(ctx context.Context) error { return f.q.Send(ctx, f.message("x")) })
			p.awaitWaiting()
			f.ack(l)
			return l, p.await()
		})
	})},

	{"AckRemoves", ifLends(func(f *fixture) {
		f.send(f.message("x"))
		l := f.lease(f.lending(f.q))
		f.ack(l)
		f.empty()
		if err := f.notLent(f.handle(), l.Deadline().Add(f.early())); err != nil {
			f.Errorf("after Ack: %v", err)
		}
		f.empty()
	})},

	{"NakGivesBackAtOnce", ifLends(func(f *fixture) {
		var took, lasts time.Duration
		for range 5 { // the machine may be busy
			f.send(f.message("x"))
			first := f.lease(f.lending(f.q))
			lasts = f.lasts
			start := time.Now()
			if err := first.Nak(f.patient(), 0); err != nil {
				f.Fatalf("Nak: %v", err)
			}
			again := f.lease(f.lending(f.handle()))
			took = time.Since(start)
			f.sameAgain(first, again)
			f.ack(again)
			if took < lasts/2 {
				return
			}
		}
		f.Errorf("lent again %v after Nak; a lease lasts %v", took, lasts)
	})},

	{"NakWithADelayGivesBackLater", ifLends(func(f *fixture) {
		for range 3 { // so that lasts is right
			f.send(f.message("x"))
			f.ack(f.lease(f.lending(f.q)))
		}
		for range 10 {
			f.send(f.message("x"))
			first := f.lease(f.lending(f.q))
			delay := f.lasts * 5 / 2 // which a lease that runs out does not look like, even on a busy machine
			start := time.Now()
			if err := first.Nak(f.patient(), delay); err != nil {
				f.Fatalf("Nak: %v", err)
			}
			late := time.Now().After(first.Deadline())
			again := f.lease(f.lending(f.handle()))
			took := time.Since(start)
			f.ack(again)
			f.empty()
			if late {
				continue
			}
			if took < delay-f.early() {
				f.Errorf("lent again after %v, given back with a delay of %v", took, delay)
			}
			f.sameAgain(first, again)
			return
		}
		f.tooShort()
	})},

	{"LeasesRunOutAndAreLentAgain", ifLends(func(f *fixture) {
		for range 10 {
			f := newFixture(f.T, f.create)
			f.send(f.message("first"))
			f.send(f.message("second"))
			r := f.lending(f.handle())
			first, second := f.lease(f.lending(f.q)), f.lease(r)
			if time.Now().After(first.Deadline()) {
				continue
			}
			if first.Sequence() == second.Sequence() {
				f.Errorf("two messages have the sequence %d", first.Sequence())
			}
			f.ack(second)
			again := f.lease(r)
			if early := time.Until(first.Deadline()); early > f.early() {
				f.Errorf("lent again %v before the deadline", early)
			}
			f.sameAgain(first, again)
			// Nobody can tell the first holder, so its Ack counts.
			f.ack(first)
			f.ack(again)
			f.empty()
			return
		}
		f.tooShort()
	})},

	{"ExtendProlongsALease", ifLends(func(f *fixture) {
		f.timely(func(f *fixture) (mq.Lease, error) {
			f.send(f.message("x"))
			l := f.lease(f.lending(f.q))
			length, first := f.lasts, l.Deadline()
			other := f.handle()
			for _, until := range []time.Time{first.Add(-length / 2), first.Add(length / 4)} {
				if err := f.notLent(other, until); err != nil {
					return l, err
				}
				before := l.Deadline()
				if err := l.Extend(f.patient()); err != nil {
					f.Fatalf("Extend: %v", err)
				}
				if time.Now().Before(before) && !l.Deadline().After(before) {
					f.Fatal("Extend succeeds, and the deadline is not later")
				}
			}
			if moved := l.Deadline().Sub(first); moved < length*3/4 {
				return l, fmt.Errorf("extended after 5/4 of %v, the deadline is %v later", length, moved)
			}
			f.ack(l)
			f.empty()
			return l, nil
		})
	})},

	{"CloseGivesNothingAway", ifLends(func(f *fixture) {
		f.send(f.message("x"))
		holder, other := f.handle(), f.lending(f.handle())
		first := f.lease(f.lending(holder))
		if err := holder.Close(); err != nil {
			f.Fatalf("Close: %v", err)
		}
		f.wants(first.Ack(f.patient()), mq.ErrClosed)
		f.wants(first.Nak(f.patient(), 0), mq.ErrClosed)
		f.wants(first.Extend(f.patient()), mq.ErrClosed)
		again := f.lease(other)
		if early := time.Until(first.Deadline()); early > f.early() {
			f.Errorf("after Close, lent again %v before the deadline", early)
		}
		f.sameAgain(first, again)
		f.ack(again)
	})},

	{"AClosedOrRemovedQueueLendsNothing", ifLends(func(f *fixture) {
		closed := f.handle()
		r := f.lending(closed)
		f.send(f.message("x"))
		if err := closed.Close(); err != nil {
			f.Fatalf("Close: %v", err)
		}
		f.wants(f.start(context.Background(), "Lease", func(ctx context.Context) error { _, err := r.Lease(ctx); return err }).await(), mq.ErrClosed)
		r = f.lending(f.q)
		l := f.lease(r)
		if !f.can.SeesRemoval {
			f.ack(l)
			return
		}
		f.remove(f.handle())
		f.wants(f.start(context.Background(), "Lease", func(ctx context.Context) error { _, err := r.Lease(ctx); return err }).await(), mq.ErrRemoved)
		f.wants(l.Ack(f.patient()), mq.ErrRemoved)
	})},

	{"LeaseBatchTakesWhatIsThereUpToItsLimit", ifLends(func(f *fixture) {
		for round := range rounds / 4 {
			f.timely(func(f *fixture) (mq.Lease, error) {
				r := f.lending(f.q)
				var leases []mq.Lease
				p := f.start(context.Background(), "LeaseBatch", func(ctx context.Context) (err error) {
					leases, err = r.LeaseBatch(ctx, 3)
					return err
				})
				p.awaitWaiting()
				linger(round)
				f.send(f.message("x"))
				if err := p.await(); err != nil {
					f.Fatal(err)
				}
				if len(leases) == 0 {
					f.Fatal("LeaseBatch gives no lease and no error")
				}
				for _, l := range leases {
					f.ack(l)
				}
				if len(leases) != 1 {
					return leases[0], fmt.Errorf("LeaseBatch of one message gives %d", len(leases))
				}
				return leases[0], nil
			})
		}
		f.timely(func(f *fixture) (first mq.Lease, err error) {
			r := f.lending(f.q)
			for i := range 5 {
				f.send(f.message(fmt.Sprint(i)))
			}
			i := 0
			for _, want := range []int{3, 2} {
				leases, err := r.LeaseBatch(f.patient(), 3)
				if err != nil || len(leases) == 0 {
					f.Fatalf("LeaseBatch(3) gives %d leases, %v; want %d", len(leases), err, want)
				}
				if first == nil {
					first = leases[0]
				}
				if len(leases) != want {
					return first, fmt.Errorf("LeaseBatch(3) gives %d leases; want %d", len(leases), want)
				}
				for _, l := range leases {
					if m := l.Message(); string(m.Data) != fmt.Sprint(i) || l.Attempt() != 1 {
						return first, fmt.Errorf("message %d is %q, attempt %d", i, m.Data, l.Attempt())
					}
					f.ack(l)
					i++
				}
			}
			f.empty()
			return first, nil
		})
	})},

	{"CanceledLeasesStrandNothing", ifLends(func(f *fixture) {
		r := f.lending(f.q)
		ended, cancel := context.WithCancel(f.Context())
		cancel()
		f.send(f.message("x"))
		_, err := r.Lease(ended)
		f.wants(err, context.Canceled)
		f.take(f.q)
		for round := range 5 * rounds {
			ctx, cancel := context.WithCancel(f.Context())
			p := f.start(ctx, "LeaseBatch", func(ctx context.Context) error {
				leases, err := r.LeaseBatch(ctx, 1+round%2)
				for _, l := range leases {
					f.ack(l)
				}
				return err
			})
			p.awaitWaiting()
			go cancel()
			linger(round % 16)
			f.send(f.message("x"))
			if err := p.await(); err != nil {
				f.wants(err, context.Canceled)
				f.take(f.q) // now, and not when a lease runs out
			}
			f.empty()
		}
	})},

	{"TheHolderOwnsItsSlice", ifLends(func(f *fixture) {
		f.send(f.message("first"))
		f.send(f.message("other"))
		leases, err := f.lending(f.q).LeaseBatch(f.patient(), 2)
		if err != nil || len(leases) != 2 {
			f.Fatalf("LeaseBatch(2) gives %d leases, %v", len(leases), err)
		}
		first, other := leases[0].Message(), leases[1].Message()
		_ = append(first.Data, "tail"...)
		if string(other.Data) != "other" {
			f.Errorf("got %q: the slices share memory", other.Data)
		}
		f.ack(leases[1])
		copy(first.Data, "spoil")
		if err := leases[0].Nak(f.patient(), 0); err != nil {
			f.Fatalf("Nak: %v", err)
		}
		again := f.lease(f.lending(f.q))
		if m := again.Message(); string(m.Data) != "first" {
			f.Errorf("a holder changed its slice, and %q was lent again", m.Data)
		}
		f.ack(again)
	})},

	{"ConcurrentHoldersLoseNothing", ifLends(func(f *fixture) {
		const senders, holders, each = 3, 3, 100
		ctx := f.patient()
		receiving, done := context.WithCancel(ctx)
		defer done()
		var (
			mu    sync.Mutex
			first = map[string]int{} // how often each message was lent as a first attempt
			acked = map[uint64]bool{}
		)
		sent, handled := make(chan error, senders), make(chan error, holders)
		for sender := range senders {
			q := f.handle()
			go func() {
				var err error
				for i := 0; i < each && err == nil; i++ {
					err = q.Send(ctx, f.message(fmt.Sprintf("message %d of sender %d", i, sender)))
				}
				sent <- err
			}()
		}
		for holder := range holders {
			r := f.lending(f.handle())
			go func() {
				for {
					leases, err := r.LeaseBatch(receiving, 1+holder)
					for i := 0; i < len(leases) && err == nil; i++ {
						l := leases[i]
						mu.Lock()
						if l.Attempt() == 1 {
							first[string(l.Message().Data)]++
						}
						mu.Unlock()
						if err = l.Ack(ctx); err == nil {
							mu.Lock()
							if acked[l.Sequence()] = true; len(acked) == senders*each {
								done()
							}
							mu.Unlock()
						}
					}
					if err != nil {
						if receiving.Err() != nil {
							err = nil
						}
						handled <- err
						return
					}
				}
			}()
		}
		f.join("senders", sent, senders)
		f.join("holders", handled, holders)
		if len(acked) != senders*each {
			f.Errorf("%d messages were sent, %d acknowledged", senders*each, len(acked))
		}
		for data, times := range first {
			if times != 1 {
				f.Errorf("%s was lent %d times as its first attempt", data, times)
			}
		}
		f.empty()
	})},
}

// ifLends leaves queues that lend nothing alone.
func ifLends(check func(*fixture)) func(*fixture) {
	return func(f *fixture) {
		if f.lends {
			check(f)
		}
	}
}

// isLending reports whether the queue is an mq.Leaser that lends. If selectors
// exclude each other it asks another queue, so that this one is free for all.
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

// lending returns what lends every message of q.
func (f *fixture) lending(q mq.Queue) mq.LeaseReceiver {
	f.Helper()
	r, err := q.(mq.Leaser).SelectLeases(mq.Any())
	if err != nil {
		f.Fatalf("SelectLeases: %v", err)
	}
	return r
}

// lease takes a message on lease that is there, or will be.
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

// sameAgain fails the test unless again is the message of first, lent once more.
func (f *fixture) sameAgain(first, again mq.Lease) {
	f.Helper()
	if again.Sequence() != first.Sequence() || again.Attempt() != first.Attempt()+1 || string(again.Message().Data) != string(first.Message().Data) {
		f.Fatalf("lent %q, sequence %d, attempt %d; and then %q, sequence %d, attempt %d",
			first.Message().Data, first.Sequence(), first.Attempt(), again.Message().Data, again.Sequence(), again.Attempt())
	}
}

// early is how much earlier than by our clock the queue may count a lease as run
// out.
func (f *fixture) early() time.Duration { return f.lasts / 4 }

// timely calls check until it has returned before the lease that it returns has
// run out: on a busy machine, what it saw would else mean nothing.
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
