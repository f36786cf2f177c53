package posix

import (
	"context"
	"errors"
	"fmt"

	"ipcmq/internal/handle"
	"ipcmq/internal/sys"
	"ipcmq/mq"
)

// maxRaw is the largest payload that is copied without notifying the scheduler;
// the copy takes about 5 microseconds.
const maxRaw = 64 << 10

func trySend(fd int, data []byte, priority uint32, now *sys.Deadline) sys.Errno {
	if len(data) <= maxRaw {
		return sys.TryMqSend(fd, data, priority, now)
	}
	return refused(sys.MqSend(fd, data, priority, now))
}

func tryReceive(fd int, buf []byte, now *sys.Deadline) (n int, priority uint32, errno sys.Errno) {
	if len(buf) <= maxRaw {
		return sys.TryMqReceive(fd, buf, now)
	}
	n, priority, errno = sys.MqReceive(fd, buf, now)
	return n, priority, refused(errno)
}

func refused(errno sys.Errno) sys.Errno {
	if errno == sys.ETIMEDOUT {
		return sys.EAGAIN
	}
	return errno
}

func (q *Queue) trySend(m mq.Message) sys.Errno {
	q.using.RLock()
	defer q.using.RUnlock()
	if q.closed.Load() {
		return sys.EBADF
	}
	return trySend(q.fd, m.Data, m.Priority, q.now)
}

func (q *Queue) tryReceive(buf []byte) (n int, priority uint32, errno sys.Errno) {
	q.using.RLock()
	defer q.using.RUnlock()
	if q.closed.Load() {
		return 0, 0, sys.EBADF
	}
	return tryReceive(q.fd, buf, q.now)
}

// poll tries repeatedly for a short time, unless others wait already.
func (q *Queue) poll(ctx context.Context, buf []byte) (n int, priority uint32, errno sys.Errno) {
	if q.poller == nil || q.wait.receiving() {
		return 0, 0, sys.EAGAIN
	}
	round, ok := q.poller.Begin(ctx)
	for ok {
		if n, priority, errno = q.tryReceive(buf); errno != sys.EAGAIN {
			round.Found()
			return n, priority, errno
		}
		ok = round.Again(ctx)
	}
	return 0, 0, sys.EAGAIN
}

// Send adds m to the queue, waiting for room. m.Priority is 0 to 32767; m.Type
// is ignored.
//
// The payload may be up to the message size of the queue (8192 bytes unless it
// was created otherwise). A larger one is refused immediately.
//
// If Send returns an error, m was not sent. The error matches [mq.ErrTooLarge],
// [mq.ErrInvalidPriority], [mq.ErrClosed], fs.ErrPermission, or ctx.Err() and
// the cause of ctx; then its text also says how full the queue is.
//
// See mq_send(3).
func (q *Queue) Send(ctx context.Context, m mq.Message) error {
	if err := q.sendable(m); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return q.ended("send", ctx)
	}
	for {
		errno := q.trySend(m)
		if errno == sys.EAGAIN {
			errno = q.wait.send(ctx, m.Data, m.Priority)
		}
		switch {
		case errno == 0:
			return nil
		case q.closed.Load() || errno == sys.EINTR && ctx.Err() != nil:
			return handle.Waited(q.ended("send", ctx), handle.NoRoom(q, len(m.Data)))
		case errno != sys.EINTR:
			return q.errno("send", errno)
		}
	}
}

// TrySend adds m to the queue if there is room now; it never waits. If there is
// no room the error matches [mq.ErrFull]; otherwise it is like [Queue.Send].
func (q *Queue) TrySend(m mq.Message) error {
	if err := q.sendable(m); err != nil {
		return err
	}
	for {
		switch errno := q.trySend(m); errno {
		case 0:
			return nil
		case sys.EAGAIN:
			return q.errFull
		case sys.EINTR: // by a handler that does not restart calls
		default:
			return q.errno("send", errno)
		}
	}
}

func (q *Queue) sendable(m mq.Message) error {
	if err := q.usable("send", q.handle.Access.CanSend()); err != nil {
		return err
	}
	if m.Priority > sys.MaxPriority {
		return q.handle.Fail("send", mq.ErrInvalidPriority, nil,
			fmt.Sprintf("priority %d is not in 0 to %d", m.Priority, sys.MaxPriority))
	}
	if len(m.Data) > q.maxMessageSize {
		return q.handle.Fail("send", mq.ErrTooLarge, nil, fmt.Sprintf(
			"message of %d bytes exceeds the message size of the queue, %d (fixed when it was created, see Config.MaxMessageSize)",
			len(m.Data), q.maxMessageSize))
	}
	return nil
}

// A receiver takes the messages of a queue.
type receiver struct{ q *Queue }

// Select returns a receiver of the messages that s selects. There are no types
// on a POSIX queue, so it takes [mq.Any] only and refuses other selectors with
// errors.ErrUnsupported.
func (q *Queue) Select(s mq.Selector) (mq.Receiver, error) {
	if err := s.Validate(); err != nil {
		e := *err.(*mq.Error)
		e.Queue = q.handle.Name
		return nil, &e
	}
	if s.Kind() != mq.SelectAny {
		return nil, q.handle.Fail("select", errors.ErrUnsupported, nil,
			"selector "+s.String()+": POSIX queues have priorities and no types, and deliver the highest priority first")
	}
	return &receiver{q}, nil
}

// Receive takes the next message, the oldest of the highest priority, waiting
// for one. The payload is a new slice.
//
// If Receive returns an error, nothing was taken. The error matches
// [mq.ErrClosed], fs.ErrPermission, or ctx.Err() and the cause of ctx.
//
// See mq_receive(3).
func (r *receiver) Receive(ctx context.Context) (mq.Message, error) {
	var m mq.Message
	err := r.ReceiveInto(ctx, &m)
	return m, err
}

// ReceiveInto is Receive into *m, reusing the memory of m.Data if its capacity
// suffices. If its capacity is that of the largest message of the queue, see
// [Queue.Attr], the kernel writes the payload directly there. If ReceiveInto
// returns an error, *m is unchanged.
func (r *receiver) ReceiveInto(ctx context.Context, m *mq.Message) error {
	q := r.q
	if err := q.usable("receive", q.handle.Access.CanReceive()); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return q.ended("receive", ctx)
	}
	buf, pooled := q.room(m)
	defer q.putRoom(pooled)
	for {
		n, priority, errno := q.tryReceive(buf)
		if errno == sys.EAGAIN {
			n, priority, errno = q.poll(ctx, buf)
		}
		if errno == sys.EAGAIN {
			n, priority, errno = q.wait.receive(ctx, buf)
		}
		switch {
		case errno == 0:
			store(m, buf[:n], priority, pooled != nil)
			return nil
		case q.closed.Load() || errno == sys.EINTR && ctx.Err() != nil:
			return handle.Waited(q.ended("receive", ctx), handle.NoMessage(q, mq.Any()))
		case errno != sys.EINTR:
			return q.errno("receive", errno)
		}
	}
}

// TryReceive takes the next message if there is one now; it never waits. If
// there is none the error matches [mq.ErrEmpty].
func (r *receiver) TryReceive() (mq.Message, error) {
	var m mq.Message
	err := r.TryReceiveInto(&m)
	return m, err
}

// TryReceiveInto is TryReceive into *m, like [Queue.ReceiveInto].
func (r *receiver) TryReceiveInto(m *mq.Message) error {
	q := r.q
	if err := q.usable("receive", q.handle.Access.CanReceive()); err != nil {
		return err
	}
	buf, pooled := q.room(m)
	defer q.putRoom(pooled)
	for {
		switch n, priority, errno := q.tryReceive(buf); errno {
		case 0:
			store(m, buf[:n], priority, pooled != nil)
			return nil
		case sys.EAGAIN:
			return q.errEmpty
		case sys.EINTR: // by a handler that does not restart calls
		default:
			return q.errno("receive", errno)
		}
	}
}

// room returns where the kernel can write a message: the memory of m.Data if
// that suffices for every message, and otherwise a pooled buffer, to pass to
// putRoom.
func (q *Queue) room(m *mq.Message) (buf []byte, pooled *[]byte) {
	if cap(m.Data) >= q.maxMessageSize {
		return m.Data[:q.maxMessageSize], nil
	}
	pooled = q.buffers.Get().(*[]byte)
	return *pooled, pooled
}

func (q *Queue) putRoom(pooled *[]byte) {
	if pooled != nil {
		q.buffers.Put(pooled)
	}
}

// store sets *m to the received message. data is copied if copied is set, and
// otherwise is in the memory of m.Data.
func store(m *mq.Message, data []byte, priority uint32, copied bool) {
	if copied {
		if cap(m.Data) < len(data) || m.Data == nil {
			m.Data = make([]byte, len(data))
		}
		copy(m.Data[:len(data)], data)
	}
	*m = mq.Message{Priority: priority, Data: m.Data[:len(data)]}
}
