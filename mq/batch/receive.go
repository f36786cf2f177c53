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
	from     mq.Receiver // of the queue beneath, by the same selector
	selector mq.Selector
	leader   *waiter // the one that waits at from; guarded by in.mu
}

// Receive takes the next message, waiting for one until ctx ends. See
// [mq.Receiver]. The payload may share the memory of a frame with the payloads
// beside it, which stays as long as one of them is kept; each may be changed.
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
	if !r.q.can.Remote { // where to look costs as much as to wait
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
// Of those with one receiver one leads: it waits at the queue beneath. The
// others follow, until there is a message for them or they are to lead. So one
// that takes a frame hands the rest to those who wait, whatever they wait for.
type waiter struct {
	r       *receiver
	woken   chan struct{}      // closed when given or to lead, or when the queue is closed
	cancel  context.CancelFunc // ends the wait at the queue beneath; nil unless it leads
	given   bool
	message mq.Message // what it was given
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

// follow waits until w was given a message, or is to lead. It is called with the
// lock held, and gives it up meanwhile.
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
	return handle.Waited(handle.Ended("receive", w.r.q.String(), ctx), handle.NoMessage(w.r.q.beneath, w.r.selector))
}

// lead waits at the queue beneath for w, unless somebody else gives it a message
// meanwhile. It is called with the lock held, and gives it up meanwhile.
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
