package batch

import (
	"context"
	"fmt"
	"time"

	"ipcmq/mq"
)

// A way is how a call sends: waiting for room until ctx ends, or not at all.
type way struct {
	to  mq.Queue
	ctx context.Context
	try bool
}

func (w way) send(m mq.Message) error {
	if w.try {
		return w.to.TrySend(m)
	}
	return w.to.Send(w.ctx, m)
}

func (q *Queue) waiting(ctx context.Context) way { return way{to: q.underlying, ctx: ctx} }
func (q *Queue) trying() way                     { return way{to: q.underlying, try: true} }

// Add adds m to the messages that are sent together. If there is no room for it
// among them, or they have another type or priority, Add sends them first,
// waiting for room in the queue until ctx ends. A message too large for a frame
// is sent alone before Add returns. Add copies m.Data.
//
// If Add returns an error, m was not added; messages added earlier are still
// added, or were sent.
func (q *Queue) Add(ctx context.Context, m mq.Message) error {
	return q.add(q.waiting(ctx), m)
}

// TryAdd is Add without waiting: if messages must be sent first, and there is no
// room in the queue now or another call is sending them, the error matches
// [mq.ErrFull].
func (q *Queue) TryAdd(m mq.Message) error { return q.add(q.trying(), m) }

func (q *Queue) add(w way, m mq.Message) error {
	if err := q.validate("add", &m); err != nil {
		return err
	}
	o := &q.out
	if err := o.acquire(q, "add", w); err != nil {
		return err
	}
	defer o.mu.Unlock()
	if err := o.ageErr; err != nil {
		o.ageErr = nil
		return err
	}
	if !o.fits(&m) {
		if err := o.flush(w); err != nil {
			return err
		}
		if !o.fits(&m) { // not even into an empty one
			o.begin()
			defer o.end()
			return w.send(sendable(m))
		}
	}
	o.add(&m)
	if o.messages == 1 && o.maxAge > 0 {
		o.oldest = time.Now()
		o.wake(q, o.maxAge)
	}
	return nil
}

// Flush sends what was added, waiting for room in the queue until ctx ends. If
// it returns an error, messages that were not sent are still added, and Flush
// can be repeated; after an error that matches [mq.ErrInDoubt] this may send
// messages twice.
func (q *Queue) Flush(ctx context.Context) error {
	o, w := &q.out, q.waiting(ctx)
	if err := o.acquire(q, "flush", w); err != nil {
		return err
	}
	defer o.mu.Unlock()
	return o.flush(w)
}

// Send sends what was added, and then m, waiting for room in the queue until ctx
// ends. See [mq.Sender]; if it returns an error, m was not sent, and what was
// added may have been.
func (q *Queue) Send(ctx context.Context, m mq.Message) error { return q.send(q.waiting(ctx), m) }

// TrySend is Send without waiting: if there is no room in the queue now, or another
// call is sending what was added, the error matches [mq.ErrFull].
func (q *Queue) TrySend(m mq.Message) error { return q.send(q.trying(), m) }

func (q *Queue) send(w way, m mq.Message) error {
	o := &q.out
	if err := o.acquire(q, "send", w); err != nil {
		return err
	}
	err := o.flush(w)
	o.mu.Unlock()
	if err != nil {
		return err
	}
	return w.send(sendable(m))
}

// SendBatch sends what was added and then messages, in frames, waiting for room
// in the queue until ctx ends. It returns how many of messages were sent, the
// first n; see [mq.BatchSender].
func (q *Queue) SendBatch(ctx context.Context, messages []mq.Message) (n int, err error) {
	o, w := &q.out, q.waiting(ctx)
	if err := o.acquire(q, "send batch", w); err != nil {
		return 0, err
	}
	defer o.mu.Unlock()
	if err := o.flush(w); err != nil {
		return 0, err
	}
	o.begin()
	defer o.end()
	for _, m := range messages {
		if err = q.validate("send batch", &m); err != nil {
			break
		}
		if !o.fits(&m) {
			sent, err := o.sendOwn(w)
			if n += sent; err != nil {
				return n, err
			}
		}
		if o.fits(&m) {
			o.add(&m)
			continue
		}
		if err := w.send(sendable(m)); err != nil {
			return n, err
		}
		n++
	}
	sent, failed := o.sendOwn(w)
	if failed != nil {
		err = failed
	}
	return n + sent, err
}

// sendOwn is sendFrame for messages of the caller: it returns how many were
// sent, and leaves none in the frame.
func (o *out) sendOwn(w way) (sent int, err error) {
	if o.messages == 0 {
		return 0, nil
	}
	gathered := o.messages
	err = o.sendFrame(w)
	sent = gathered - o.messages
	o.reset()
	return sent, err
}

// validate reduces *m to the fields that the queue carries, or returns an error if
// its type or priority is invalid: found later, that would fail the whole frame.
func (q *Queue) validate(op string, m *mq.Message) error {
	switch {
	case q.capabilities.MaxType == 0:
		m.Type = 0
	case m.Type < 1 || m.Type > q.capabilities.MaxType:
		return q.fail(op, mq.ErrInvalidType, fmt.Sprintf("message type %d is not in 1 to %d", m.Type, q.capabilities.MaxType))
	}
	switch {
	case q.capabilities.MaxPriority == 0:
		m.Priority = 0
	case m.Priority > q.capabilities.MaxPriority:
		return q.fail(op, mq.ErrInvalidPriority, fmt.Sprintf("priority %d is not in 0 to %d", m.Priority, q.capabilities.MaxPriority))
	}
	return nil
}
