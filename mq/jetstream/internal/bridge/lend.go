package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ipcmq/mq"
)

// ackWait is how long to wait for the confirmation that a message was removed. It
// may never come: a server that was killed may have forgotten that it lent the
// message, and lend it again. The bridge then recognizes it.
const ackWait = 2 * time.Second

// lend forwards from a queue that lends: a message stays there until it was sent.
func (b *bridge) lend() error {
	var from mq.LeaseReceiver
	err := persist(b.ctx, func() (err error) {
		from, err = b.from.exchange.(mq.Leaser).SelectLeases(b.selector)
		return err
	})
	for err == nil {
		var l mq.Lease
		if l, err = from.Lease(b.ctx); err != nil {
			break
		}
		if err := b.handOver(l); err != nil {
			return err
		}
	}
	return unlessEnded(b.ctx, err)
}

// errRanOut: a lease could not be kept, so somebody else may have the message.
var errRanOut = errors.New("the lease has run out")

// handOver sends a message that is lent and acknowledges it.
func (b *bridge) handOver(l mq.Lease) error {
	if b.known.has(l.Sequence()) {
		b.repeated++
		return b.acknowledge(l)
	}
	m, err := b.outgoing(l.Message())
	if err == nil {
		err = b.passLent(l, m)
	}
	switch {
	case err == nil:
		b.known.sent(l.Sequence())
		b.forwarded++
		return b.acknowledge(l)
	case err == errRanOut:
		return nil // it comes again
	}
	b.giveBack(l)
	if b.last.Err() != nil {
		warn("it was not sent in time: the message in hand is back in %s", b.from.name)
		return unlessEnded(b.ctx, nil)
	}
	return fmt.Errorf("message %d of %s: %w; it stays there, the first one", l.Sequence(), b.from.name, err)
}

// passLent sends m, and keeps its lease while there is no room.
func (b *bridge) passLent(l mq.Lease, m mq.Message) error {
	for {
		ctx, cancel := context.WithTimeout(b.last, time.Until(l.Deadline())/2)
		err := b.to.Send(ctx, m)
		cancel()
		switch {
		case err == nil:
			return b.to.arrived()
		case !errors.Is(err, context.DeadlineExceeded):
			return err
		}
		ctx, cancel = context.WithDeadline(b.last, l.Deadline())
		err = l.Extend(ctx)
		cancel()
		switch {
		case b.last.Err() != nil:
			return b.last.Err()
		case errors.Is(err, mq.ErrRemoved):
			return err
		case err != nil:
			return errRanOut
		}
	}
}

// acknowledge removes a message that was sent.
func (b *bridge) acknowledge(l mq.Lease) error {
	ctx, cancel := context.WithTimeout(b.last, ackWait)
	defer cancel()
	err := l.Ack(ctx)
	switch {
	case err == nil:
		b.known.confirmed(l.Sequence())
		return nil
	case b.last.Err() != nil:
		return fmt.Errorf("message %d of %s is in %s and could not be acknowledged in time, so it will come once more: %w",
			l.Sequence(), b.from.name, b.to.name, err)
	case errors.Is(err, mq.ErrInDoubt), errors.Is(err, mq.ErrUnavailable), ctx.Err() != nil:
		return nil // known if it comes again
	}
	return err
}

// giveBack ends a lease early. If that fails the message is still lent again, only
// later.
func (b *bridge) giveBack(l mq.Lease) {
	ctx, cancel := context.WithTimeout(context.Background(), backWait)
	defer cancel()
	l.Nak(ctx, 0)
	b.putBack++
}
