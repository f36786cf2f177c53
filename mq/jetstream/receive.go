package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"ipcmq/mq"
)

// If answers are lost, a receive returns a message without the confirmation that it
// was removed after this time, or after that many lost answers of a single server.
const (
	settleWait     = 10 * time.Second
	mostUnanswered = 2
)

// A source takes messages that one selector selects.
type source interface {
	// take takes up to n messages, at least one, and waits for the first one if c waits.
	take(c *call, n int) ([]mq.Message, error)
}

// source returns the source of messages that s selects.
func (q *Queue) source(s mq.Selector) source {
	if q.mode == ClaimMode {
		return &claims{q, s}
	}
	return q.consumer(s)
}

// A receiver takes the messages of a queue that one selector selects.
type receiver struct {
	q    *Queue
	from source
}

// Select returns a receiver of the messages that s selects.
//
// A queue in lease mode has either receivers of Any, or receivers of single
// types; the first one decides, and the other kind is refused with
// errors.ErrUnsupported, in other programs too, until nobody has received in the
// first way for [ConsumerLife], or for [IdleLife] once a handle that did was closed.
// UpTo and Except need claim mode.
//
// Select asks the server, and waits for 15 seconds if the queue is unavailable.
func (q *Queue) Select(s mq.Selector) (mq.Receiver, error) {
	if err := q.selectable("select", s); err != nil {
		return nil, err
	}
	c, err := q.begin("select", context.Background(), false, true)
	if err != nil {
		return nil, err
	}
	defer c.end()
	from := q.source(s)
	if consumer, ok := from.(*consumer); ok && q.handle.Access.CanReceive() {
		if err := consumer.ensureSoon(c); err != nil {
			return nil, err
		}
	}
	return &receiver{q, from}, nil
}

// selectable returns an error if the queue cannot select s.
func (q *Queue) selectable(op string, s mq.Selector) error {
	if err := s.Validate(); err != nil {
		return q.handle.Fail(op, mq.ErrInvalidType, nil, "selector "+s.String()+": message types begin at 1; use Any for all types")
	}
	if q.mode == LeaseMode && s.Kind() != mq.SelectAny && s.Kind() != mq.SelectType {
		return q.unsupported(op, nil, "a queue in lease mode cannot select "+s.String()+", only any and single types; claim mode can")
	}
	return nil
}

// Receive takes the next message, waiting while there is none or the queue is
// unavailable. The payload is a new slice.
//
// If Receive returns an error, nothing was taken. The error matches
// [mq.ErrClosed], [mq.ErrRemoved], fs.ErrPermission, [ErrLimit] if the
// server's disk is full, errors.ErrUnsupported if
// others receive in a way that excludes this one, or ctx.Err() and the cause of
// ctx, and then [mq.ErrUnavailable] too if the queue was unavailable.
//
// The message is removed before Receive returns it. If that cannot be confirmed,
// Receive returns it anyway, and it may come again.
func (r *receiver) Receive(ctx context.Context) (mq.Message, error) { return r.receive(ctx, true) }

// ReceiveBatch takes up to n messages, 256 at most, waiting for the first one like
// Receive: it asks for them with one request, removes each with another, and waits for
// the answers together. In claim mode it takes one. See [mq.BatchReceiver].
func (r *receiver) ReceiveBatch(ctx context.Context, n int) ([]mq.Message, error) {
	if n < 1 {
		return nil, r.q.badBatch("receive", n)
	}
	return r.receiveBatch(ctx, true, n)
}

// ReceiveInto is Receive into *m, reusing the memory of m.Data if its capacity
// suffices. If it returns an error, *m is unchanged.
func (r *receiver) ReceiveInto(ctx context.Context, m *mq.Message) error {
	got, err := r.receive(ctx, true)
	return store(m, got, err)
}

// TryReceive takes the next message if there is one now. If there is none the
// error matches [mq.ErrEmpty]. It waits for a few answers of the server, 1 second
// at most for each; without one, the error matches [mq.ErrUnavailable].
func (r *receiver) TryReceive() (mq.Message, error) { return r.receive(context.Background(), false) }

// TryReceiveInto is TryReceive into *m, like [Queue.ReceiveInto].
func (r *receiver) TryReceiveInto(m *mq.Message) error {
	got, err := r.receive(context.Background(), false)
	return store(m, got, err)
}

func (r *receiver) receive(ctx context.Context, waits bool) (mq.Message, error) {
	all, err := r.receiveBatch(ctx, waits, 1)
	if err != nil {
		return mq.Message{}, err
	}
	return all[0], nil
}

func (r *receiver) receiveBatch(ctx context.Context, waits bool, n int) ([]mq.Message, error) {
	c, err := r.q.begin("receive", ctx, waits, r.q.handle.Access.CanReceive())
	if err != nil {
		return nil, err
	}
	defer c.end()
	return r.from.take(c, n)
}

// badBatch returns the error for a batch of n messages.
func (q *Queue) badBatch(op string, n int) error {
	return q.handle.Fail(op, mq.ErrInvalidConfig, nil, fmt.Sprintf("a batch of %d messages; 1 is the least", n))
}

// store copies what was received to *m, reusing its memory.
func store(m *mq.Message, got mq.Message, err error) error {
	if err != nil {
		return err
	}
	if m.Data != nil && cap(m.Data) >= len(got.Data) {
		got.Data = append(m.Data[:0], got.Data...)
	}
	*m = got
	return nil
}

// settle calls try to remove a message that this call holds. Without an answer it
// tries again for a while: an error that remains means doubt.
func (c *call) settle(try func(ctx context.Context) error) error {
	if !c.waits {
		return try(c.ctx)
	}
	ctx, cancel := context.WithTimeout(c.ctx, settleWait)
	defer cancel()
	t := tries{ctx: ctx, waits: true, try: func() error { return try(ctx) }}
	unanswered := 0
	t.over = func(err error) error {
		// A single server that is connected but twice does not answer was killed, and no
		// longer knows what it has lent. In a cluster, another one may still answer.
		if c.q.isOneServer() && errors.Is(err, nats.ErrTimeout) && c.q.nc.IsConnected() {
			unanswered++
		}
		if unanswered == mostUnanswered {
			return err
		}
		return nil
	}
	return t.run()
}

// isOneServer reports whether the server is not part of a cluster.
func (q *Queue) isOneServer() bool { return q.nc.ConnectedClusterName() == "" }
