package batch

import (
	"context"
	"math"
	"slices"
	"time"

	"ipcmq/mq"
)

// A lentFrame is a frame of several messages that the underlying queue has lent.
// It is acknowledged when all its parts are done: acknowledged, or put back into
// the queue as single messages.
//
// It is in use as long as calls wait for leases or parts are held; its keeper
// extends its lease meanwhile.
type lentFrame struct {
	q        *Queue
	lease    mq.Lease
	message  mq.Message    // without Data
	sequence uint64        // of the first part
	length   time.Duration // of the lease
	changed  chan struct{} // makes the keeper look

	// Guarded by lent.mu.
	parts   []part
	free    []int // parts that are free, or were; the next first
	left    int   // parts that are not done
	ackLate bool  // the last part was put back, but acknowledging the frame failed
	over    bool  // acknowledged, given back or run out
}

// A part is a message of a frame.
type part struct {
	data     []byte
	state    state
	attempts int       // how often it was lent
	until    time.Time // held: when the lease runs out; delayed: when the delay ends
}

type state uint8

const (
	free    state = iota // for the next call
	delayed              // given back, to be put back later
	held                 // lent
	leaving              // being put back
	done
)

func newLentFrame(q *Queue, lease mq.Lease, m mq.Message, parts int) *lentFrame {
	f := &lentFrame{q: q, lease: lease, message: m, sequence: lease.Sequence() << 16, length: time.Until(lease.Deadline()), left: parts}
	f.changed = make(chan struct{}, 1)
	f.message.Data = nil
	f.parts = make([]part, parts)
	f.free = make([]int, parts)
	rest := m.Data[len(magic):]
	for i := range f.parts {
		f.parts[i].data, rest = cut(rest)
		f.parts[i].attempts = lease.Attempt() - 1
		f.free[i] = i
	}
	return f
}

// open lends up to n parts and leaves the rest to other calls.
//
// If the frame was lent before, its holder has died or stopped, perhaps because
// of one of the messages. So that this message does not affect the others, each
// is put back as a single message.
func (f *lentFrame) open(ctx context.Context, n int) (leases []mq.Lease) {
	l := &f.q.lent
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.lease.Attempt() > 1 {
		parts := f.leave(free)
		l.mu.Unlock()
		f.putBack(ctx, 0, parts...)
		l.mu.Lock()
	}
	if f.over {
		return nil
	}
	l.frames = append(l.frames, f)
	if l.closed {
		return f.lend(n) // the methods of the leases report it
	}
	l.keepers.Go(f.keep)
	leases = f.lend(n)
	l.wake()
	return leases
}

// lend lends up to n free parts. The lock is held.
func (f *lentFrame) lend(n int) (leases []mq.Lease) {
	for len(leases) < n && len(f.free) > 0 {
		i := f.free[0]
		f.free = f.free[1:]
		p := &f.parts[i]
		if p.state != free { // an earlier holder has acknowledged it
			continue
		}
		p.state = held
		p.attempts++
		p.until = f.lease.Deadline()
		leases = append(leases, newPartLease(f, i))
	}
	return leases
}

// leave marks the parts that are free, or also the delayed ones if upTo is
// delayed, as leaving, and returns them for putBack. The lock is held.
func (f *lentFrame) leave(upTo state) (parts []int) {
	for i := range f.parts {
		if p := &f.parts[i]; p.state <= upTo {
			p.state = leaving
			parts = append(parts, i)
		}
	}
	f.free = nil
	return parts
}

// putBack sends leaving parts as single messages, to be lent after delay, and
// acknowledges the frame if no other part is left. A part that cannot be sent
// now, because the queue is full or may only be read, stays in the frame instead.
func (f *lentFrame) putBack(ctx context.Context, delay time.Duration, parts ...int) {
	l := &f.q.lent
	var failed error
	for _, i := range parts {
		l.mu.Lock()
		p := &f.parts[i]
		m := f.message
		m.Data = origin{f.sequence + uint64(i), uint32(min(p.attempts, math.MaxInt32)), delay}.wrap(p.data)
		l.mu.Unlock()
		if failed == nil {
			failed = f.q.underlying.TrySend(m)
		}
		l.mu.Lock()
		switch {
		case p.state != leaving: // acknowledged meanwhile
		case failed == nil:
			f.ackLate = f.settle(p)
		case delay > 0:
			p.state, p.until = delayed, time.Now().Add(delay)
			f.look()
		default:
			p.state = free
			f.free = append(f.free, i)
		}
		late := f.ackLate
		l.mu.Unlock()
		if late {
			f.finish(ctx)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wake()
}

// settle marks a part as done, and reports whether it was the last. The lock is
// held.
func (f *lentFrame) settle(p *part) (last bool) {
	p.state = done
	f.left--
	return f.left == 0
}

// finish acknowledges the frame, whose last part was put back. If that fails, the
// keeper tries again.
func (f *lentFrame) finish(ctx context.Context) {
	err := f.lease.Ack(ctx)
	l := &f.q.lent
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		f.end()
	}
}

// end forgets the frame. The lock is held.
func (f *lentFrame) end() {
	f.over = true
	l := &f.q.lent
	l.frames = slices.DeleteFunc(l.frames, func(other *lentFrame) bool { return other == f })
	f.look()
}

// look makes the keeper look.
func (f *lentFrame) look() {
	select {
	case f.changed <- struct{}{}:
	default:
	}
}
