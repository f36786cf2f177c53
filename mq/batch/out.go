package batch

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"ipcmq/internal/handle"
	"ipcmq/mq"
)

// out is the frame that is being filled.
type out struct {
	size   int
	maxAge time.Duration
	ctx    context.Context // of sending by age; ends with close
	stop   context.CancelFunc

	mu       sync.Mutex
	frame    mq.Message    // magic, then the messages
	messages int           // in frame
	busy     bool          // a call sends the frame; no other may touch it
	free     chan struct{} // closed when busy ends; nil unless a call waits
	closed   bool
	oldest   time.Time   // when the first message was added, if there is a maxAge
	timer    *time.Timer // for it
	ageErr   error       // of sending by age, for the next call
}

func (o *out) start(c Config) {
	o.size, o.maxAge = c.Size, c.MaxAge
	o.ctx, o.stop = context.WithCancel(context.Background())
	o.reset()
}

// reset empties the frame.
func (o *out) reset() {
	o.frame.Data = append(o.frame.Data[:0], magic...)
	o.messages = 0
}

// fits reports whether m can join the frame.
func (o *out) fits(m *mq.Message) bool {
	if o.messages > 0 && (m.Type != o.frame.Type || m.Priority != o.frame.Priority) {
		return false
	}
	return o.messages < maxMessages && len(o.frame.Data)+room(len(m.Data)) <= o.size
}

// add puts m, which fits, into the frame.
func (o *out) add(m *mq.Message) {
	o.frame.Type, o.frame.Priority = m.Type, m.Priority
	o.frame.Data = join(o.frame.Data, m.Data)
	o.messages++
}

// acquire waits until no call sends the frame, and returns with the lock held.
// If the queue is closed, or w must end first, it returns an error, without the
// lock.
func (o *out) acquire(q *Queue, op string, w way) error {
	for {
		o.mu.Lock()
		if !o.busy && !o.closed {
			return nil
		}
		if o.closed {
			o.mu.Unlock()
			return q.fail(op, mq.ErrClosed, "")
		}
		if w.try {
			o.mu.Unlock()
			return q.fail(op, mq.ErrFull, "messages added earlier are being sent, and wait for room in the queue")
		}
		free := o.freed()
		o.mu.Unlock()
		select {
		case <-free:
		case <-w.ctx.Done():
			return handle.Waited(handle.Ended(op, q.String(), w.ctx), "messages added earlier are being sent")
		}
	}
}

// freed returns a channel that is closed when the frame is no longer busy.
func (o *out) freed() <-chan struct{} {
	if o.free == nil {
		o.free = make(chan struct{})
	}
	return o.free
}

// begin releases the lock, for a call that may wait; no other call touches the
// frame until end, which takes the lock again.
func (o *out) begin() {
	o.busy = true
	o.mu.Unlock()
}

func (o *out) end() {
	o.mu.Lock()
	o.busy = false
	if o.free != nil {
		close(o.free)
		o.free = nil
	}
}

// flush sends the frame. It is called with the lock held, and releases it
// meanwhile.
func (o *out) flush(w way) error {
	if o.messages == 0 {
		return nil
	}
	o.begin()
	defer o.end()
	if err := o.sendFrame(w); err != nil {
		return err
	}
	o.ageErr = nil // those messages have been sent now
	return nil
}

// sendFrame sends the messages of the frame and leaves in it those that were not
// sent. The caller must have the frame, see begin.
func (o *out) sendFrame(w way) error {
	m := o.frame
	if o.messages == 1 {
		m.Data, _ = cut(m.Data[len(magic):])
		m = sendable(m)
	}
	err := w.send(m)
	if err == nil {
		o.reset()
		return nil
	}
	if o.messages == 1 || !errors.Is(err, mq.ErrTooLarge) {
		return err
	}
	// The limits of the queue were lowered: send one by one.
	rest := o.frame.Data[len(magic):]
	for err = nil; len(rest) > 0; o.messages-- {
		var after []byte
		m.Data, after = cut(rest)
		if err = w.send(sendable(m)); err != nil {
			break
		}
		rest = after
	}
	o.frame.Data = append(o.frame.Data[:len(magic)], rest...)
	return err
}

// sendable returns m in the form in which it is sent alone: in a frame if it
// begins like one.
func sendable(m mq.Message) mq.Message {
	if begins(m.Data) {
		m.Data = join(append(make([]byte, 0, len(magic)+room(len(m.Data))), magic...), m.Data)
	}
	return m
}

// wake schedules sending the frame after d. The lock is held.
func (o *out) wake(q *Queue, d time.Duration) {
	if o.timer == nil {
		o.timer = time.AfterFunc(d, q.expire)
		return
	}
	o.timer.Reset(d)
}

// expire sends the frame if it is old enough. It is called by the timer.
func (q *Queue) expire() {
	o := &q.out
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.closed:
		return
	case o.busy: // a call sends it, and may fail
		o.wake(q, o.maxAge)
		return
	case o.messages == 0:
		return
	}
	if age := time.Since(o.oldest); age < o.maxAge {
		o.wake(q, o.maxAge-age)
		return
	}
	err := o.flush(way{to: q.underlying, ctx: o.ctx})
	if err == nil || o.closed {
		return
	}
	o.ageErr = err
	if !errors.Is(err, mq.ErrClosed) && !errors.Is(err, mq.ErrRemoved) {
		o.oldest = time.Now()
		o.wake(q, o.maxAge)
	}
}

// close makes later calls fail. settle waits for those in the underlying queue,
// which end, and returns how many messages were not sent.
func (o *out) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	if o.timer != nil {
		o.timer.Stop()
	}
	o.stop()
}

func (o *out) settle() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.busy {
		free := o.freed()
		o.mu.Unlock()
		<-free
		o.mu.Lock()
	}
	return o.messages
}

// Unsent returns the messages, oldest first, that were added but not sent when
// the queue was closed, and forgets them. Before Close it returns nil.
func (q *Queue) Unsent() (messages []mq.Message) {
	o := &q.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed || o.busy {
		return nil
	}
	m := o.frame
	for rest := bytes.Clone(m.Data[len(magic):]); len(rest) > 0; {
		m.Data, rest = cut(rest)
		messages = append(messages, m)
	}
	o.reset()
	return messages
}
