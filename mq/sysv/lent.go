package sysv

import (
	"context"
	"fmt"
	"time"

	"ipcmq/internal/pool"
	"ipcmq/mq"
)

// A lease is a message that is on lease to this process.
type lease struct {
	q    *Queue
	lent *pool.Lent
}

// Message returns the message. See [mq.Lease].
func (l *lease) Message() mq.Message {
	m := mq.Message{Type: l.lent.Type, Data: l.lent.Data}
	if cut := l.q.truncate; cut > 0 && len(m.Data) > cut {
		m.Data, m.Truncated = m.Data[:cut:cut], true
	}
	return m
}

// Sequence returns the number of the message. See [mq.Lease].
func (l *lease) Sequence() uint64 { return l.lent.Sequence }

// Attempt returns how many times the message was lent. See [mq.Lease].
func (l *lease) Attempt() int { return l.lent.Attempt }

// Uncertain reports whether the length of the payload is not certain: the
// process that took it from the queue was killed while doing so, and had not
// expected this message. The bytes are right; some may be missing at the end.
func (l *lease) Uncertain() bool { return l.lent.Unsure }

// Deadline returns when the lease runs out. See [mq.Lease].
func (l *lease) Deadline() time.Time { return time.Now().Add(l.lent.Left()) }

// Ack removes the message. See [mq.Lease].
func (l *lease) Ack(ctx context.Context) error {
	return l.settle("ack", ctx, l.lent.Ack)
}

// Nak gives the message back. See [mq.Lease].
func (l *lease) Nak(ctx context.Context, delay time.Duration) error {
	if delay < 0 {
		return l.q.handle.Fail("nak", mq.ErrInvalidConfig, nil, fmt.Sprintf("delay %v is negative; 0 gives back immediately", delay))
	}
	return l.settle("nak", ctx, func() bool { return l.lent.Nak(delay) })
}

// Extend renews the lease. See [mq.Lease].
func (l *lease) Extend(ctx context.Context) error {
	return l.settle("extend lease", ctx, func() bool { return l.lent.Extend(l.q.leases.lasts) })
}

// settle calls do, which reports whether the message is still with this holder.
func (l *lease) settle(op string, ctx context.Context, do func() bool) error {
	q := l.q
	if err := q.usable(op, true); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return q.ended(op, ctx)
	}
	if err := q.checkPool(op); err != nil {
		return err
	}
	q.leases.mu.RLock()
	defer q.leases.mu.RUnlock()
	if q.leases.closed {
		return q.handle.Fail(op, mq.ErrClosed, nil, "")
	}
	if !do() {
		return q.handle.Fail(op, mq.ErrLeaseOver, nil, "the lease has run out or was settled, and this holder no longer has the message")
	}
	return nil
}
