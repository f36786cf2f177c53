package mqtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"ipcmq/mq"
)

var _ mq.Leaser = (*Queue)(nil)

// SelectLeases returns a receiver that takes what s selects on lease. The error
// matches errors.ErrUnsupported if Config.Lease is 0. See [mq.Leaser].
//
// As with a server, holders are not told that a lease has run out: Ack still
// removes the message, whoever has it by then; Nak and Extend do nothing. A
// message that is lent again comes before those sent after it.
func (q *Queue) SelectLeases(s mq.Selector) (mq.LeaseReceiver, error) {
	if err := q.selectable(s); err != nil {
		return nil, err
	}
	if q.box.lease == 0 {
		return nil, &mq.Error{Op: "select leases", Queue: q.box.name, Kind: errors.ErrUnsupported,
			Detail: "the queue does not lend its messages; set Config.Lease"}
	}
	return &leaseReceiver{q, s}, nil
}

// A leaseReceiver lends what one selector selects.
type leaseReceiver struct {
	q        *Queue
	selector mq.Selector
}

// Lease takes the next message on lease. See [mq.LeaseReceiver].
func (r *leaseReceiver) Lease(ctx context.Context) (mq.Lease, error) {
	leases, err := r.LeaseBatch(ctx, 1)
	if err != nil {
		return nil, err
	}
	return leases[0], nil
}

// LeaseBatch takes up to n messages on lease. See [mq.LeaseReceiver].
func (r *leaseReceiver) LeaseBatch(ctx context.Context, n int) ([]mq.Lease, error) {
	b := r.q.box
	if n < 1 {
		return nil, &mq.Error{Op: "lease", Queue: b.name, Kind: mq.ErrInvalidConfig,
			Detail: fmt.Sprintf("a batch of %d messages; the minimum is 1", n)}
	}
	b.mu.Lock()
	if err := r.q.usable("lease"); err != nil {
		b.mu.Unlock()
		return nil, err
	}
	if ctx.Err() != nil {
		b.mu.Unlock()
		return nil, b.ended("lease", ctx)
	}
	var leases []mq.Lease
	for len(leases) < n {
		i := b.find(r.selector)
		if i < 0 {
			break
		}
		m := b.messages[i]
		b.messages = slices.Delete(b.messages, i, i+1)
		leases = append(leases, b.lend(r.q, m))
	}
	if len(leases) > 0 {
		b.mu.Unlock()
		return leases, nil
	}
	w := &waiter{by: r.q, selector: r.selector, lends: true, answered: make(chan struct{})}
	b.receivers = append(b.receivers, w)
	b.mu.Unlock()
	if err := b.wait("lease", ctx, w, &b.receivers); err != nil {
		return nil, err
	}
	return []mq.Lease{w.lease}, nil
}

// A lease is a message that is lent, or one that was given back with a delay
// that is not over. It is valid only while it is in box.leases.
type lease struct {
	q      *Queue
	stored stored
	own    mq.Message // a copy, for the holder

	// Guarded by box.mu.
	over     bool // given back with a delay
	deadline time.Time
	timer    *time.Timer
}

// lend lends m to a user of q. The lock is held, and m is in no list.
func (b *box) lend(q *Queue, m stored) *lease {
	m.attempt++
	l := &lease{q: q, stored: m, own: m.Message}
	l.own.Data = append([]byte{}, m.Data...)
	if b.leases == nil {
		b.leases = make(map[uint64]*lease)
	}
	b.leases[m.sequence] = l
	l.last(b.lease)
	return l
}

// last makes l run out after d.
func (l *lease) last(d time.Duration) {
	if l.timer != nil {
		l.timer.Stop()
	}
	l.deadline = time.Now().Add(d)
	l.timer = time.AfterFunc(d, l.runOut)
}

// runOut puts the message back, unless the lease was ended or extended when its
// timer fired.
func (l *lease) runOut() {
	b := l.q.box
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.leases[l.stored.sequence] == l && !time.Now().Before(l.deadline) {
		b.giveBack(l)
	}
}

// giveBack ends l and puts the message back. The lock is held.
func (b *box) giveBack(l *lease) {
	l.timer.Stop()
	delete(b.leases, l.stored.sequence)
	b.place(l.stored)
	b.admit() // a Receive may have taken it
}

// Message returns the message. See [mq.Lease].
func (l *lease) Message() mq.Message { return l.own }

// Sequence returns the number of the message, counting from 1. See [mq.Lease].
func (l *lease) Sequence() uint64 { return l.stored.sequence }

// Attempt returns how many times the message was lent. See [mq.Lease].
func (l *lease) Attempt() int { return l.stored.attempt }

// Deadline returns when the lease runs out. See [mq.Lease].
func (l *lease) Deadline() time.Time {
	l.q.box.mu.Lock()
	defer l.q.box.mu.Unlock()
	return l.deadline
}

// Ack removes the message. See [mq.Lease].
func (l *lease) Ack(ctx context.Context) error {
	return l.settle("ack", ctx, func(b *box, _ bool) {
		if holder, ok := b.leases[l.stored.sequence]; ok {
			holder.timer.Stop()
			delete(b.leases, l.stored.sequence)
		} else if i, ok := b.position(l.stored.sequence); ok {
			b.messages = slices.Delete(b.messages, i, i+1)
		} else {
			return
		}
		b.bytes -= len(l.stored.Data)
		b.admit()
	})
}

// Nak gives the message back. See [mq.Lease].
func (l *lease) Nak(ctx context.Context, delay time.Duration) error {
	if delay < 0 {
		return &mq.Error{Op: "nak", Queue: l.q.box.name, Kind: mq.ErrInvalidConfig,
			Detail: fmt.Sprintf("delay %v is negative; 0 gives back immediately", delay)}
	}
	return l.settle("nak", ctx, func(b *box, current bool) {
		switch {
		case !current:
		case delay == 0:
			b.giveBack(l)
		default:
			l.over = true
			l.last(delay)
		}
	})
}

// Extend renews the lease. See [mq.Lease].
func (l *lease) Extend(ctx context.Context) error {
	return l.settle("extend lease", ctx, func(b *box, current bool) {
		if current {
			l.last(b.lease)
		}
	})
}

// settle calls do with whether the message is still lent to this holder.
func (l *lease) settle(op string, ctx context.Context, do func(b *box, current bool)) error {
	b := l.q.box
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := l.q.usable(op); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return b.ended(op, ctx)
	}
	do(b, b.leases[l.stored.sequence] == l && !l.over)
	return nil
}
