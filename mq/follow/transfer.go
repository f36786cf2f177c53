package follow

import (
	"context"
	"errors"
	"sync/atomic"

	"ipcmq/mq"
)

// Send adds m to the queue, waiting for room, and for another queue if it is gone.
// See [mq.Sender].
func (q *Queue) Send(ctx context.Context, m mq.Message) error {
	return q.do("send", ctx, func(now mq.Exchange, ctx context.Context) error {
		if ctx == nil {
			return now.TrySend(m)
		}
		return now.Send(ctx, m)
	})
}

// TrySend adds m to the queue if there is room now. If the queue is gone and there
// is no other, the error matches [mq.ErrRemoved]. See [mq.Sender].
func (q *Queue) TrySend(m mq.Message) error {
	return q.do("send", nil, func(now mq.Exchange, _ context.Context) error { return now.TrySend(m) })
}

// errLook ends a call that waits at a queue that does not see its removal.
var errLook = errors.New("time to look whether the queue is there")

// do makes a call on the current queue, and again on the next one if it is gone.
// If the context is nil, neither the call nor do waits.
func (q *Queue) do(op string, ctx context.Context, call func(mq.Exchange, context.Context) error) error {
	for {
		now, err := q.current(op, ctx)
		if err != nil {
			return err
		}
		if retry, err := q.call(now, ctx, call); !retry {
			return err
		}
	}
}

// call makes a call. It reports whether the call must be repeated: it did nothing,
// and the queue is gone, or may be.
func (q *Queue) call(now *opened, ctx context.Context, call func(mq.Exchange, context.Context) error) (retry bool, err error) {
	waits := ctx != nil
	if waits && !now.seesRemoval && ctx.Err() == nil {
		// First try without the cost of a timer.
		err = call(now.queue, nil)
		waits = errors.Is(err, mq.ErrFull) || errors.Is(err, mq.ErrEmpty)
		if waits {
			slice, cancel := context.WithTimeoutCause(ctx, q.every, errLook)
			defer cancel()
			err = call(now.queue, slice)
			if err != nil && context.Cause(slice) == errLook && !errors.Is(err, mq.ErrClosed) {
				return true, nil
			}
		}
	} else {
		err = call(now.queue, ctx)
	}
	switch {
	case err == nil:
		return false, nil
	case errors.Is(err, mq.ErrRemoved):
		q.lose(now, err)
		return true, nil
	case errors.Is(err, mq.ErrClosed):
		q.mu.Lock()
		defer q.mu.Unlock()
		return !q.closed && q.now != now, err // it was closed because there is another
	}
	return false, err
}

// A receiver takes the messages that one selector selects.
type receiver struct {
	q        *Queue
	selector mq.Selector
	latest   *atomic.Pointer[selected] // nil if the selector is Any
}

// A selected is a queue's receiver for a selector.
type selected struct {
	of       mq.Exchange
	receiver mq.Receiver
}

// Select returns a receiver of the messages that s selects. See [mq.Queue].
func (q *Queue) Select(s mq.Selector) (mq.Receiver, error) {
	of := q.Current()
	r, err := of.Select(s)
	if err != nil {
		return nil, err
	}
	if s.Kind() == mq.SelectAny {
		return &receiver{q: q, selector: s}, nil
	}
	selecting := &receiver{q: q, selector: s, latest: new(atomic.Pointer[selected])}
	selecting.latest.Store(&selected{of, r})
	return selecting, nil
}

// from returns the receiver of a queue.
func (r *receiver) from(q mq.Exchange) (mq.Receiver, error) {
	if r.latest == nil {
		return q, nil
	}
	if s := r.latest.Load(); s.of == q {
		return s.receiver, nil
	}
	made, err := q.Select(r.selector)
	if err == nil {
		r.latest.Store(&selected{q, made})
	}
	return made, err
}

// Receive takes the next message, waiting for one. See [mq.Receiver].
func (r *receiver) Receive(ctx context.Context) (mq.Message, error) {
	var m mq.Message
	err := r.ReceiveInto(ctx, &m)
	return m, err
}

// ReceiveInto is Receive into *m. See [mq.Receiver].
func (r *receiver) ReceiveInto(ctx context.Context, m *mq.Message) error {
	return r.receive(m, ctx)
}

// TryReceive takes the next message if there is one now. If the queue is gone and
// there is no other, the error matches [mq.ErrRemoved]. See [mq.Receiver].
func (r *receiver) TryReceive() (mq.Message, error) {
	var m mq.Message
	err := r.receive(&m, nil)
	return m, err
}

// TryReceiveInto is TryReceive into *m. See [mq.Receiver].
func (r *receiver) TryReceiveInto(m *mq.Message) error { return r.receive(m, nil) }

// receive waits if ctx is not nil.
func (r *receiver) receive(m *mq.Message, ctx context.Context) error {
	if (ctx == nil || ctx.Err() == nil) && r.q.takeOld(r.selector, m) {
		return nil
	}
	return r.q.do("receive", ctx, func(now mq.Exchange, ctx context.Context) error {
		// The queue is another one than at the previous call.
		if r.q.takeOld(r.selector, m) {
			return nil
		}
		from, err := r.from(now)
		if err != nil {
			return err
		}
		if ctx == nil {
			return from.TryReceiveInto(m)
		}
		return from.ReceiveInto(ctx, m)
	})
}
