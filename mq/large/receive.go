package large

import (
	"context"
	"errors"

	"ipcmq/internal/handle"
	"ipcmq/internal/store"
	"ipcmq/mq"
)

// A receiver takes the messages that one selector selects.
//
// If the queue lends, it takes each message on lease until it has the payload:
// so a process that is killed in between loses nothing, and a search for tickets
// finds those of receivers too.
type receiver struct {
	*source
	tickets
	q *Queue
}

// Receive takes the next message, waiting for one until ctx ends. See
// [mq.Receiver], and the package documentation on missing payloads.
func (r *receiver) Receive(ctx context.Context) (mq.Message, error) {
	var m mq.Message
	err := r.ReceiveInto(ctx, &m)
	return m, err
}

// ReceiveInto is Receive into *m, reusing the memory of m.Data if its capacity
// suffices. If it returns an error, *m is unchanged.
func (r *receiver) ReceiveInto(ctx context.Context, m *mq.Message) error {
	return r.receive(m, func(m *mq.Message) error { return r.from.ReceiveInto(ctx, m) },
		func(l lender) (mq.Lease, error) {
			if ctx.Err() != nil {
				return nil, handle.Ended("receive", r.name, ctx)
			}
			lease, err := l.TryLease()
			if errors.Is(err, mq.ErrEmpty) {
				lease, err = l.Lease(ctx)
			}
			return lease, err
		})
}

// TryReceive is Receive without waiting: if there is no message now the error
// matches [mq.ErrEmpty].
func (r *receiver) TryReceive() (mq.Message, error) {
	var m mq.Message
	err := r.TryReceiveInto(&m)
	return m, err
}

// TryReceiveInto is ReceiveInto without waiting.
func (r *receiver) TryReceiveInto(m *mq.Message) error {
	return r.receive(m, r.from.TryReceiveInto, lender.TryLease)
}

// receive takes a message with lease if the queue lends, and with take
// otherwise.
func (r *receiver) receive(m *mq.Message, take func(*mq.Message) error, lease func(lender) (mq.Lease, error)) error {
	for {
		l := r.lends()
		if l == nil {
			return r.take(m, take)
		}
		got, err := lease(l)
		switch {
		case err == nil:
			err = r.settle(m, got)
			if errors.Is(err, mq.ErrLeaseOver) {
				continue // this process was stopped, and another has the message
			}
			return asReceive(err)
		case errors.Is(err, mq.ErrEmpty), errors.Is(err, mq.ErrClosed), errors.Is(err, mq.ErrRemoved), errors.Is(err, mq.ErrTooManyThreads),
			errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
			return asReceive(err)
		}
		// No more messages can be lent, or this one is too long for the pool of
		// leases.
		return r.take(m, take)
	}
}

func (r *receiver) take(m *mq.Message, take func(*mq.Message) error) error {
	memory := m.Data
	if err := take(m); err != nil {
		return err
	}
	if p := r.redeem(m, memory, r.home); p != nil {
		p.Free()
		p.Done()
	}
	return nil
}

// settle receives a message that is on lease.
func (r *receiver) settle(m *mq.Message, l mq.Lease) error {
	r.q.settling.RLock()
	defer r.q.settling.RUnlock()
	if r.q.closing {
		l.Nak(context.Background(), 0)
		return r.q.fail("receive", mq.ErrClosed, nil, "")
	}
	got := l.Message()
	p := r.redeem(&got, m.Data, r.home)
	if p != nil {
		defer p.Done()
	}
	if err := l.Ack(context.Background()); err != nil {
		return err
	}
	store.Step("acked")
	if p != nil {
		p.Free()
	} else if cap(m.Data) >= len(got.Data) && m.Data != nil {
		got.Data = append(m.Data[:0], got.Data...)
	}
	if isUncertain(l) {
		r.missing(&got, errUncertain)
	}
	*m = got
	return nil
}

var errUncertain = errors.New("the process that took it first was killed while doing so; bytes at the end may be missing")

// asReceive turns the error of a lease into that of a receive.
func asReceive(err error) error {
	if e, ok := err.(*mq.Error); ok {
		renamed := *e
		renamed.Op = "receive"
		return &renamed
	}
	return err
}
