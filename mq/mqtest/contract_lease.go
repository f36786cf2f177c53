package mqtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"ipcmq/mq"
)

// leasePromises are the promises of queues that lend.
//
// Checks that must finish before a lease runs out use timely. A server may
// start a lease a little before it arrives: see early.
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

	{"HeadersComeWithLeasesWhereThereAreAny", ifLends(func(f *fixture) {
		sent := mq.Header{"traceparent": "00-1", "other": "a b"}
		if err := f.q.Send(mq.WithHeader(f.patient(), sent), f.message("with")); err != nil {
			f.Fatalf("Send with a header: %v", err)
		}
		f.send(f.message("without"))
		r := f.lending(f.q)
		for _, text := range []string{"with", "without"} {
			l := f.lease(r)
			want := sent
			if text == "without" || !f.can.Headers {
				want = nil
			}
			if got := mq.HeaderOf(l); string(l.Message().Data) != text || !maps.Equal(got, want) {
				f.Errorf("%q came with the header %v, want %q with %v", l.Message().Data, got, text, want)
			}
			f.ack(l)
		}
		if f.can.Headers {
			f.wants(f.q.Send(mq.WithHeader(f.patient(), mq.Header{"a:b": "c"}), f.message("bad")), mq.ErrInvalidConfig)
		}
	})},

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

	{"LeasedMessagesTakeRoomUntilAckedUnlessTheyLeaveIt", ifLends(func(f *fixture) {
		f.timely(func(f *fixture) (mq.Lease, error) {
			f.fill()
			l := f.lease(f.lending(f.q))
			err := f.q.TrySend(f.message("x"))
			if f.can.LentLeavesRoom {
				if err != nil {
					return l, fmt.Errorf("TrySend while a message is lent: %w", err)
				}
				f.ack(l)
				return l, nil
			}
			if !errors.Is(err, mq.ErrFull) {
				return l, fmt.Errorf("TrySend while a message is lent: %v, want %v", err, mq.ErrFull)
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
			delay := f.lasts * 5 / 2 // not to be mistaken for a lease that runs out, even on a busy machine
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
			if f.can.SeesLeaseOver {
				f.wants(first.Nak(f.patient(), 0), mq.ErrLeaseOver)
				f.wants(first.Extend(f.patient()), mq.ErrLeaseOver)
				f.wants(first.Ack(f.patient()), mq.ErrLeaseOver)
			} else {
				f.ack(first) // the queue cannot detect this
			}
			f.ack(again)
			if f.can.SeesLeaseOver {
				f.wants(again.Ack(f.patient()), mq.ErrLeaseOver)
			}
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
}
