package batch

import (
	"context"
	"errors"

	"ipcmq/internal/handle"
	"ipcmq/mq"
)

// A receiver takes the messages that one selector selects.
type receiver struct {
	q        *Queue
	from     mq.Receiver // of the underlying queue, by the same selector
	selector mq.Selector
	leader   *waiter // the one that waits at from; guarded by in.mu
}

// Receive takes the next message, waiting for one until ctx ends. See
// [mq.Receiver]. The payload may share the memory of a frame with other
// payloads, which is kept as long as one of them is; each may be changed.
func (r *receiver) Receive(ctx context.Context) (mq.Message, error) {
	var m mq.Message
	err := r.ReceiveInto(ctx, &m)
	return m, err
}

// ReceiveInto is Receive into *m, reusing the memory of m.Data if its capacity
// suffices. If it returns an error, *m is unchanged.
func (r *receiver) ReceiveInto(ctx context.Context, m *mq.Message) error {
	if ctx.Err() != nil {
		return handle.Ended("receive", r.q.String(), ctx)
	}
	if !r.q.capabilities.Remote { // on a remote queue, to try costs as much as to wait
		if err := r.TryReceiveInto(m); err == nil || !errors.Is(err, mq.ErrEmpty) {
			return err
		}
	}
	return r.wait(ctx, m)
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
	in := &r.q.in
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return r.q.fail("receive", mq.ErrClosed, "")
	}
	if in.give(r.selector, m) {
		return nil
	}
	err := in.receive(func(into *mq.Message) error { return r.from.TryReceiveInto(into) })
	if err != nil {
		return err
	}
	in.give(r.selector, m)
	in.dispatch()
	return nil
}

// A waiter is a call that waits for a message.
//
// Of the waiters of one receiver, one leads: it waits at the underlying queue.
// The others follow, until there is a message for them or they must lead. So a
// waiter that takes a frame hands the rest to the others, whatever they select.
type waiter struct {
	r       *receiver
	woken   chan struct{}      // closed when given is set, the waiter must lead, or the queue is closed
	cancel  context.CancelFunc // ends the wait at the underlying queue; nil unless it leads
	given   bool
	message mq.Message // if given
}

func (r *receiver) wait(ctx context.Context, m *mq.Message) error {
	in := &r.q.in
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return r.q.fail("receive", mq.ErrClosed, "")
	}
	if in.give(r.selector, m) {
		return nil
	}
	w := &waiter{r: r, message: mq.Message{Data: m.Data}}
	in.waiting = append(in.waiting, w)
	if r.leader == nil {
		r.leader = w
	} else if err := in.follow(ctx, w); err != nil {
		return err
	}
	if !w.given {
		if err := in.lead(ctx, w); err != nil {
			return err
		}
	}
	*m = w.message
	return nil
}

// follow waits until w was given a message, or must lead. It is called with the
// lock held, and releases it meanwhile.
func (in *in) follow(ctx context.Context, w *waiter) error {
	woken := make(chan struct{})
	w.woken = woken
	in.mu.Unlock()
	select {
	case <-woken:
	case <-ctx.Done():
	}
	in.mu.Lock()
	w.woken = nil
	switch {
	case w.given || w.r.leader == w && ctx.Err() == nil:
		return nil
	case in.closed:
		in.leave(w)
		return w.r.q.fail("receive", mq.ErrClosed, "")
	}
	in.leave(w)
	return handle.Waited(handle.Ended("receive", w.r.q.String(), ctx), handle.NoMessage(w.r.q.underlying, w.r.selector))
}

// lead waits at the underlying queue for w, unless another call gives w a
// message meanwhile. It is called with the lock held, and releases it meanwhile.
func (in *in) lead(ctx context.Context, w *waiter) error {
	ctx, w.cancel = context.WithCancel(ctx)
	defer w.cancel()
	err := in.receive(func(m *mq.Message) error { return w.r.from.ReceiveInto(ctx, m) })
	if err == nil && !w.given {
		w.given = in.give(w.r.selector, &w.message)
	}
	in.leave(w)
	if w.given {
		return nil
	}
	return err
}
