package large

import (
	"context"
	"errors"
	"fmt"

	"ipcmq/internal/store"
	"ipcmq/mq"
)

// A leaseReceiver lends what one selector selects.
type leaseReceiver struct {
	q    *Queue
	from mq.LeaseReceiver
}

// SelectLeases returns a receiver that takes what s selects on lease. A payload in
// shared memory stays there until its message is acknowledged. The error matches
// [errors.ErrUnsupported] if the underlying queue does not lend. See [mq.Leaser].
func (q *Queue) SelectLeases(s mq.Selector) (mq.LeaseReceiver, error) {
	leaser, ok := mq.As[mq.Leaser](q.underlying)
	if !ok {
		return nil, q.fail("select leases", errors.ErrUnsupported, nil, fmt.Sprintf("%T does not lend its messages", q.underlying))
	}
	from, err := leaser.SelectLeases(s)
	if err != nil {
		return nil, err
	}
	r := leaseReceiver{q, from}
	if from, ok := from.(lender); ok {
		return &tryLeaseReceiver{r, from}, nil
	}
	return &r, nil
}

// A tryLeaseReceiver also has TryLease.
type tryLeaseReceiver struct {
	leaseReceiver
	from lender
}

// TryLease is Lease without waiting. See [mq.LeaseReceiver].
func (r *tryLeaseReceiver) TryLease() (mq.Lease, error) {
	l, err := r.from.TryLease()
	if err != nil {
		return nil, err
	}
	return r.q.lease(l), nil
}

// Lease takes the next message on lease. See [mq.LeaseReceiver].
func (r *leaseReceiver) Lease(ctx context.Context) (mq.Lease, error) {
	l, err := r.from.Lease(ctx)
	if err != nil {
		return nil, err
	}
	return r.q.lease(l), nil
}

// LeaseBatch takes up to n messages on lease. See [mq.LeaseReceiver].
func (r *leaseReceiver) LeaseBatch(ctx context.Context, n int) ([]mq.Lease, error) {
	leases, err := r.from.LeaseBatch(ctx, n)
	for i, l := range leases {
		leases[i] = r.q.lease(l)
	}
	return leases, err
}

// A lease is that of a message whose payload may be in shared memory.
type lease struct {
	mq.Lease
	q       *Queue
	message mq.Message
	ticket  store.Ticket
	paid    bool // there is a payload to free
}

func (q *Queue) lease(from mq.Lease) *lease {
	l := &lease{Lease: from, q: q, message: from.Message()}
	ticket, _ := store.ParseTicket(l.message.Data)
	if p := q.redeem(&l.message, nil, q.sender.home); p != nil {
		l.ticket, l.paid = ticket, true
		p.Done()
	}
	return l
}

// Message returns the message. See [mq.Lease].
func (l *lease) Message() mq.Message { return l.message }

// Ack removes the message, and its payload. See [mq.Lease].
func (l *lease) Ack(ctx context.Context) error {
	if err := l.Lease.Ack(ctx); err != nil {
		return err
	}
	store.Step("acked")
	if l.paid {
		if p, err := l.q.reader.Redeem(l.ticket, l.q.sender.home); err == nil {
			p.Free()
			p.Done()
		}
	}
	return nil
}

// Uncertain reports that bytes at the end of the payload may be missing. See
// [mq.Lease].
func (l *lease) Uncertain() bool { return isUncertain(l.Lease) }

func isUncertain(l mq.Lease) bool {
	u, ok := l.(interface{ Uncertain() bool })
	return ok && u.Uncertain()
}
