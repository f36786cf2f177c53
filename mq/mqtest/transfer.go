package mqtest

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"ipcmq/internal/handle"
	"ipcmq/mq"
)

// Send adds m to the queue, waiting for room. See [mq.Sender].
func (q *Queue) Send(ctx context.Context, m mq.Message) error { return q.send(m, ctx) }

// TrySend adds m to the queue if there is room now. See [mq.Sender].
func (q *Queue) TrySend(m mq.Message) error { return q.send(m, nil) }

// send waits if ctx is not nil.
func (q *Queue) send(m mq.Message, ctx context.Context) error {
	b := q.box
	b.mu.Lock()
	if err := q.sendable(m); err != nil {
		b.mu.Unlock()
		return err
	}
	if ctx != nil && ctx.Err() != nil {
		b.mu.Unlock()
		return b.ended("send", ctx)
	}
	m.Priority, m.Truncated = 0, false
	m.Data = append([]byte{}, m.Data...)
	switch {
	case b.fits(m):
		b.put(m)
		b.mu.Unlock()
		return nil
	case ctx == nil:
		b.mu.Unlock()
		return &mq.Error{Op: "send", Queue: b.name, Kind: mq.ErrFull}
	}
	w := &waiter{by: q, message: m, answered: make(chan struct{})}
	b.senders = append(b.senders, w)
	b.mu.Unlock()
	return b.wait("send", ctx, w, &b.senders)
}

func (q *Queue) sendable(m mq.Message) error {
	if err := q.usable("send"); err != nil {
		return err
	}
	e := &mq.Error{Op: "send", Queue: q.box.name, Kind: mq.ErrTooLarge}
	switch n := len(m.Data); {
	case m.Type < 1:
		e.Kind, e.Detail = mq.ErrInvalidType, fmt.Sprintf("message type %d: types begin at 1", m.Type)
	case n > q.box.maxMessage:
		e.Detail = fmt.Sprintf("message of %d bytes exceeds MaxMessage = %d", n, q.box.maxMessage)
	case n > q.box.capacity:
		e.Detail = fmt.Sprintf("message of %d bytes exceeds Capacity = %d", n, q.box.capacity)
	default:
		return nil
	}
	return e
}

// fits reports whether the queue has room for m. As in the kernel, it does not
// matter whether a receiver waits for m.
func (b *box) fits(m mq.Message) bool {
	return b.bytes+len(m.Data) <= b.capacity && len(b.messages)+len(b.leases) < b.capacity
}

// put puts a new message into the queue.
func (b *box) put(m mq.Message) {
	b.sequence++
	b.bytes += len(m.Data)
	b.place(stored{Message: m, sequence: b.sequence})
}

// place gives m to the first receiver that waits for it, or otherwise puts it in
// line.
func (b *box) place(m stored) {
	for i, w := range b.receivers {
		if !w.selector.Matches(m.Type) {
			continue
		}
		b.receivers = slices.Delete(b.receivers, i, i+1)
		if w.lends {
			w.lease = b.lend(w.by, m)
		} else {
			w.message = m.Message
			b.bytes -= len(m.Data)
		}
		close(w.answered)
		return
	}
	i, _ := b.position(m.sequence)
	b.messages = slices.Insert(b.messages, i, m)
}

// position returns where in line the message with that sequence is or would be.
func (b *box) position(sequence uint64) (int, bool) {
	return slices.BinarySearchFunc(b.messages, sequence, func(m stored, sequence uint64) int {
		return cmp.Compare(m.sequence, sequence)
	})
}

// admit lets in the waiting senders whose messages fit now.
func (b *box) admit() {
	b.senders = slices.DeleteFunc(b.senders, func(w *waiter) bool {
		if !b.fits(w.message) {
			return false
		}
		b.put(w.message)
		close(w.answered)
		return true
	})
}

// A receiver takes what one selector selects.
type receiver struct {
	q        *Queue
	selector mq.Selector
}

// Select returns a receiver of the messages that s selects. See [mq.Queue].
func (q *Queue) Select(s mq.Selector) (mq.Receiver, error) {
	if err := q.selectable(s); err != nil {
		return nil, err
	}
	return &receiver{q, s}, nil
}

func (q *Queue) selectable(s mq.Selector) error {
	if err := s.Validate(); err != nil {
		return &mq.Error{Op: "select", Queue: q.box.name, Kind: mq.ErrInvalidType, Detail: "message types begin at 1, not " + s.String()}
	}
	return nil
}

// Receive takes the next message, waiting for one. See [mq.Receiver].
func (r *receiver) Receive(ctx context.Context) (mq.Message, error) {
	var m mq.Message
	err := r.receive(&m, ctx)
	return m, err
}

// ReceiveInto is Receive into *m. See [mq.Receiver].
func (r *receiver) ReceiveInto(ctx context.Context, m *mq.Message) error { return r.receive(m, ctx) }

// TryReceive takes the next message if there is one now. See [mq.Receiver].
func (r *receiver) TryReceive() (mq.Message, error) {
	var m mq.Message
	err := r.receive(&m, nil)
	return m, err
}

// TryReceiveInto is TryReceive into *m. See [mq.Receiver].
func (r *receiver) TryReceiveInto(m *mq.Message) error { return r.receive(m, nil) }

// receive waits if ctx is not nil.
func (r *receiver) receive(m *mq.Message, ctx context.Context) error {
	b := r.q.box
	b.mu.Lock()
	if err := r.q.usable("receive"); err != nil {
		b.mu.Unlock()
		return err
	}
	if ctx != nil && ctx.Err() != nil {
		b.mu.Unlock()
		return b.ended("receive", ctx)
	}
	if i := b.find(r.selector); i >= 0 {
		got := b.messages[i]
		b.messages = slices.Delete(b.messages, i, i+1)
		b.bytes -= len(got.Data)
		b.admit()
		b.mu.Unlock()
		store(m, got.Message)
		return nil
	}
	if ctx == nil {
		b.mu.Unlock()
		return &mq.Error{Op: "receive", Queue: b.name, Kind: mq.ErrEmpty}
	}
	w := &waiter{by: r.q, selector: r.selector, answered: make(chan struct{})}
	b.receivers = append(b.receivers, w)
	b.mu.Unlock()
	if err := b.wait("receive", ctx, w, &b.receivers); err != nil {
		return err
	}
	store(m, w.message)
	return nil
}

// store copies a received message to *m, reusing its memory.
func store(m *mq.Message, got mq.Message) {
	if m.Data != nil && cap(m.Data) >= len(got.Data) {
		got.Data = append(m.Data[:0], got.Data...)
	}
	*m = got
}

// find returns the position of the message that s takes next, or -1.
func (b *box) find(s mq.Selector) int {
	found := -1
	for i, m := range b.messages {
		if !s.Matches(m.Type) {
			continue
		}
		if s.Kind() != mq.SelectUpTo {
			return i
		}
		if found < 0 || m.Type < b.messages[found].Type {
			found = i
		}
	}
	return found
}

// wait returns when w, which is in list, was answered or ctx has ended. If
// both, the answer counts.
func (b *box) wait(op string, ctx context.Context, w *waiter, list *[]*waiter) error {
	select {
	case <-w.answered:
		return w.err
	case <-ctx.Done():
	}
	b.mu.Lock()
	i := slices.Index(*list, w)
	if i >= 0 {
		*list = slices.Delete(*list, i, i+1)
	}
	b.mu.Unlock()
	if i < 0 {
		return w.err
	}
	what := ""
	if list == &b.senders {
		what = handle.NoRoom(w.by, len(w.message.Data))
	} else {
		what = handle.NoMessage(w.by, w.selector)
	}
	return handle.Waited(b.ended(op, ctx), what)
}

// ended returns the error for a call that ctx ended.
func (b *box) ended(op string, ctx context.Context) *mq.Error {
	return handle.Ended(op, b.name, ctx)
}
