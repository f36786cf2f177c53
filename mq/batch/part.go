package batch

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"ipcmq/mq"
)

// A partLease is the lease of a message in a frame. It is valid while the part is
// held in this attempt.
type partLease struct {
	f        *lentFrame
	part     int
	attempt  int
	message  mq.Message
	deadline time.Time // guarded by lent.mu
}

var _ mq.Lease = (*partLease)(nil)

// newPartLease returns a lease of a part that is held now. The lock is held.
func newPartLease(f *lentFrame, i int) *partLease {
	p := &f.parts[i]
	l := &partLease{f: f, part: i, attempt: p.attempts, message: f.message, deadline: p.until}
	l.message.Data = bytes.Clone(p.data)
	return l
}

// current reports whether the lease is valid. The lock is held.
func (l *partLease) current() bool {
	p := &l.f.parts[l.part]
	return !l.f.over && p.state == held && p.attempts == l.attempt
}

// over returns err, or if it is nil the error for a lease that is no longer
// valid.
func (l *partLease) over(op string, err error) error {
	if err == nil && l.f.q.capabilities.SeesLeaseOver {
		return l.f.q.fail(op, mq.ErrLeaseOver, "")
	}
	return err
}

// Message returns the message. See [mq.Lease].
func (l *partLease) Message() mq.Message { return l.message }

// Sequence returns the number of the message, see the package documentation.
func (l *partLease) Sequence() uint64 { return l.f.sequence + uint64(l.part) }

// Attempt returns how many times the message was lent, in its frame and as a
// single message. See [mq.Lease].
func (l *partLease) Attempt() int { return l.attempt }

// Deadline returns when the lease runs out. See [mq.Lease].
func (l *partLease) Deadline() time.Time {
	mu := &l.f.q.lent.mu
	mu.Lock()
	defer mu.Unlock()
	return l.deadline
}

// Ack marks the message as done, and if it is the last of its frame, acknowledges
// the frame. See [mq.Lease].
func (l *partLease) Ack(ctx context.Context) error {
	f, lent := l.f, &l.f.q.lent
	p := &f.parts[l.part]
	lent.mu.Lock()
	defer lent.mu.Unlock()
	switch err := lent.usable(f.q, "ack", ctx); {
	case err != nil || f.q.capabilities.SeesLeaseOver && !l.current():
		return l.over("ack", err)
	case p.state == done:
		return nil
	}
	if !f.settle(p) {
		return nil
	}
	lent.mu.Unlock()
	err := f.lease.Ack(ctx)
	lent.mu.Lock()
	if err != nil { // the part is held again; all others are done
		p.state = held
		f.left++
		f.look()
		return err
	}
	f.end()
	return nil
}

// Nak gives the message back, as a single message. See [mq.Lease].
func (l *partLease) Nak(ctx context.Context, delay time.Duration) error {
	f, lent := l.f, &l.f.q.lent
	if delay < 0 {
		return f.q.fail("nak", mq.ErrInvalidConfig, fmt.Sprintf("delay %v is negative; 0 gives back immediately", delay))
	}
	lent.mu.Lock()
	if err := lent.usable(f.q, "nak", ctx); err != nil || !l.current() {
		lent.mu.Unlock()
		return l.over("nak", err)
	}
	f.parts[l.part].state = leaving
	lent.mu.Unlock()
	f.putBack(ctx, delay, l.part)
	return nil
}

// Extend makes the lease, and that of the frame, last as long as a new one. See
// [mq.Lease].
func (l *partLease) Extend(ctx context.Context) error {
	f, lent := l.f, &l.f.q.lent
	lent.mu.Lock()
	defer lent.mu.Unlock()
	if err := lent.usable(f.q, "extend lease", ctx); err != nil || !l.current() {
		return l.over("extend lease", err)
	}
	lent.mu.Unlock()
	err := f.lease.Extend(ctx)
	lent.mu.Lock()
	if err == nil && l.current() {
		l.deadline = f.lease.Deadline()
		f.parts[l.part].until = l.deadline
	}
	return err
}
