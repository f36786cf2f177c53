package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"ipcmq/internal/handle"
	"ipcmq/mq"
)

var _ mq.Leaser = (*Queue)(nil)

// lent is what the underlying queue has lent in frames, and the calls that wait
// for it.
type lent struct {
	mu      sync.Mutex
	frames  []*lentFrame // the oldest first
	waiting []*leaseCall // the one that has waited longest first
	last    time.Time    // of the last call for leases, or about one
	parts   int          // of the message that was lent last
	done    chan struct{}
	closed  bool
	keepers sync.WaitGroup
}

func (l *lent) start() { l.done = make(chan struct{}) }

// close makes later calls fail, and waiting ones when their calls of the
// underlying queue end. Nothing is given back: the holder of a message may be
// about to finish. settle waits for the keepers.
func (l *lent) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		close(l.done)
	}
}

func (l *lent) settle() { l.keepers.Wait() }

// usable returns an error if the queue is closed or ctx has ended, and
// otherwise notes the call. The lock is held.
func (l *lent) usable(q *Queue, op string, ctx context.Context) error {
	if l.closed {
		return q.fail(op, mq.ErrClosed, "")
	}
	if ctx.Err() != nil {
		return handle.Ended(op, q.String(), ctx)
	}
	l.last = time.Now()
	return nil
}

// next returns the frame whose free message comes next by s, or nil. As when
// receiving, that is the lowest type for UpTo, and the highest priority; among
// equals, the oldest.
func (l *lent) next(s mq.Selector) (next *lentFrame) {
	for _, f := range l.frames {
		if len(f.free) == 0 || !s.Matches(f.message.Type) || !time.Now().Before(f.lease.Deadline()) {
			continue
		}
		if next == nil || f.message.Priority > next.message.Priority || s.Kind() == mq.SelectUpTo && f.message.Type < next.message.Type {
			next = f
		}
	}
	return next
}

// wake makes waiting calls look again, as many as there are free messages for
// them.
func (l *lent) wake() {
	for _, f := range l.frames {
		free := len(f.free)
		for _, w := range l.waiting {
			if free > 0 && !w.woken && w.selector.Matches(f.message.Type) {
				w.woken = true
				w.cancel()
				free--
			}
		}
	}
}

// A leaseReceiver lends the messages that one selector selects.
type leaseReceiver struct {
	q        *Queue
	from     mq.LeaseReceiver // of the underlying queue, by the same selector
	selector mq.Selector
}

// A leaseCall waits at the underlying queue.
type leaseCall struct {
	selector mq.Selector
	cancel   context.CancelFunc
	woken    bool // there is a message for it here
}

// SelectLeases returns a receiver that takes what s selects on lease, message by
// message. The error matches errors.ErrUnsupported if the underlying queue does
// not lend. See [mq.Leaser], and the package documentation on leases of messages
// in frames.
func (q *Queue) SelectLeases(s mq.Selector) (mq.LeaseReceiver, error) {
	lender, ok := mq.As[mq.Leaser](q.underlying)
	if !ok {
		return nil, q.fail("select leases", errors.ErrUnsupported,
			fmt.Sprintf("%T does not lend its messages; use a queue that is an mq.Leaser", q.underlying))
	}
	from, err := lender.SelectLeases(s)
	if err != nil {
		return nil, err
	}
	return &leaseReceiver{q: q, from: from, selector: s}, nil
}

// Lease takes the next message on lease. See [mq.LeaseReceiver].
func (r *leaseReceiver) Lease(ctx context.Context) (mq.Lease, error) {
	leases, err := r.LeaseBatch(ctx, 1)
	if err != nil {
		return nil, err
	}
	return leases[0], nil
}

// LeaseBatch takes up to n messages on lease: those of frames that were lent
// before, and if there are none, those that the underlying queue lends. See
// [mq.LeaseReceiver].
func (r *leaseReceiver) LeaseBatch(ctx context.Context, n int) ([]mq.Lease, error) {
	if n < 1 {
		return nil, r.q.fail("lease", mq.ErrInvalidConfig, fmt.Sprintf("a batch of %d messages; the minimum is 1", n))
	}
	for {
		leases, err := r.try(ctx, n)
		if len(leases) > 0 || err != nil {
			return leases, err
		}
	}
}

// try is LeaseBatch, but may return nothing.
func (r *leaseReceiver) try(ctx context.Context, n int) ([]mq.Lease, error) {
	l := &r.q.lent
	l.mu.Lock()
	if err := l.usable(r.q, "lease", ctx); err != nil {
		l.mu.Unlock()
		return nil, err
	}
	if f := l.next(r.selector); f != nil {
		defer l.mu.Unlock()
		return f.lend(n), nil
	}
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	w := &leaseCall{selector: r.selector, cancel: cancel}
	l.waiting = append(l.waiting, w)
	messages := max(1, n/max(l.parts, 1)) // leave frames for others
	l.mu.Unlock()
	lent, err := r.from.LeaseBatch(waiting, messages)
	l.mu.Lock()
	l.waiting = slices.DeleteFunc(l.waiting, func(other *leaseCall) bool { return other == w })
	if w.woken {
		l.wake() // w may not wait again
	}
	l.mu.Unlock()
	if err != nil {
		if w.woken && ctx.Err() == nil && errors.Is(err, context.Canceled) {
			return nil, nil
		}
		return nil, err
	}
	return r.q.open(ctx, lent, n)
}

// open returns leases of up to n of the messages in what the underlying queue
// has lent. The others stay in their frames.
func (q *Queue) open(ctx context.Context, lent []mq.Lease, n int) (leases []mq.Lease, err error) {
	for i, from := range lent {
		m, parts := from.Message(), 0
		if !m.Truncated {
			parts = parse(m.Data)
		}
		if from.Sequence() >= 1<<48 {
			from.Nak(ctx, 0)
			err = q.fail("lease", errors.ErrUnsupported, fmt.Sprintf("the frame has the number %d in its queue: above %d there are no numbers for the messages of a frame", from.Sequence(), uint64(1)<<48-1))
			continue
		}
		if parts > 1 {
			leases = append(leases, newLentFrame(q, from, m, parts).open(ctx, n-len(leases)-(len(lent)-1-i))...)
		} else if l := single(from, m, parts); l.origin.delay == 0 || l.Lease.Attempt() > 1 {
			leases = append(leases, l)
		} else {
			from.Nak(ctx, l.origin.delay) // if that fails, it is lent again when the lease runs out
		}
		q.lent.mu.Lock()
		q.lent.parts = max(1, parts)
		q.lent.mu.Unlock()
	}
	if len(leases) > 0 {
		err = nil // the message will be lent again
	}
	return leases, err
}

// A singleLease is the lease of a message that is not in a frame with others.
type singleLease struct {
	mq.Lease
	message mq.Message
	origin  origin
}

// single returns the lease of m, which has as many parts as parse says.
func single(from mq.Lease, m mq.Message, parts int) *singleLease {
	s := &singleLease{from, m, origin{sequence: from.Sequence() << 16}}
	if parts == 1 {
		s.message.Data, _ = cut(m.Data[len(magic):])
	} else if o, payload, ok := unwrap(m.Data); ok && !m.Truncated {
		s.message.Data, s.origin = payload, o
	}
	return s
}

// Message returns the message. See [mq.Lease].
func (s *singleLease) Message() mq.Message { return s.message }

// Sequence returns the number of the message, see the package documentation.
func (s *singleLease) Sequence() uint64 { return s.origin.sequence }

// Attempt returns how many times the message was lent, in its frame and as a
// single message, not counting receivers that gave it back for its delay. See
// [mq.Lease].
func (s *singleLease) Attempt() int {
	n := int(s.origin.attempts) + s.Lease.Attempt()
	if s.origin.delay > 0 {
		n--
	}
	return n
}

// Uncertain reports that bytes at the end of the payload may be missing. See
// [mq.Lease].
func (s *singleLease) Uncertain() bool {
	u, ok := s.Lease.(interface{ Uncertain() bool })
	return ok && u.Uncertain()
}
