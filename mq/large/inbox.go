package large

import (
	"errors"

	"ipcmq/mq"
)

// An inbox is one that receives large replies.
type inbox struct {
	*Queue
	in mq.Inbox
}

// NewInbox creates a queue for replies, which may be as large as messages. See
// [mq.Exchange].
func (q *Queue) NewInbox() (mq.Inbox, error) {
	exchange, err := q.exchange("new inbox")
	if err != nil {
		return nil, err
	}
	in, err := exchange.NewInbox()
	if err != nil {
		return nil, err
	}
	w, err := wrap(in, q.cfg)
	if err != nil {
		return nil, errors.Join(err, in.Remove(), in.Close())
	}
	return &inbox{w, in}, nil
}

func (q *Queue) exchange(op string) (mq.Exchange, error) {
	e, ok := mq.As[mq.Exchange](q.underlying)
	if !ok {
		return nil, q.fail(op, errors.ErrUnsupported, nil, "the underlying queue has no inboxes")
	}
	return e, nil
}

// Address returns that of the underlying inbox.
func (in *inbox) Address() string { return in.in.Address() }

// Usage returns how full the inbox is; large replies count as tickets.
func (in *inbox) Usage() (mq.Usage, error) {
	if m, ok := in.in.(mq.Meter); ok {
		return m.Usage()
	}
	return in.Queue.Usage()
}

// Tidy removes messages that the inbox never receives.
func (in *inbox) Tidy() error {
	if t, ok := in.in.(interface{ Tidy() error }); ok {
		return t.Tidy()
	}
	return nil
}

// OpenInbox opens the inbox with the given address, to send to it. Large replies
// wait in shared memory of q, separate from its messages. See [mq.Exchange].
func (q *Queue) OpenInbox(address string) (mq.SendCloser, error) {
	exchange, err := q.exchange("open inbox")
	if err != nil {
		return nil, err
	}
	out, err := exchange.OpenInbox(address)
	if err != nil {
		return nil, err
	}
	k, ok := out.(keeper)
	if !ok {
		return out, nil // an inbox of another kind, without large replies
	}
	home, err := k.PayloadStore()
	if err != nil {
		return nil, errors.Join(err, out.Close())
	}
	s := q.sender
	s.to, s.keeper, s.home, s.inbox, s.name = out, k, home.ID, true, nameOf(out)
	return &outlet{s, out}, nil
}

// An outlet is another program's inbox, to send to.
type outlet struct {
	sender
	out mq.SendCloser
}

// Close gives up the outlet.
func (o *outlet) Close() error { return o.out.Close() }

// Check reports whether anybody can still receive from the inbox. See
// [mq.Exchange].
func (o *outlet) Check() error {
	if c, ok := o.out.(mq.Checker); ok {
		return c.Check()
	}
	return nil
}
