package sysv

import (
	"context"
	"fmt"

	"ipcmq/internal/handle"
	"ipcmq/internal/sleep"
	"ipcmq/internal/sys"
	"ipcmq/mq"
)

// Send adds m to the queue, waiting for room. m.Type must be 1 or more;
// m.Priority is ignored.
//
// The payload may be up to kernel.msgmax bytes (8192 by default), and no more
// than the capacity of the queue, msg_qbytes (16384 by default), which it shares
// with the other payloads in the queue. A larger one is refused immediately. (If
// another process lowers the capacity below what m needs while Send waits, Send
// waits until it is raised again or ctx ends.)
//
// If Send returns an error, m was not sent. The error matches [mq.ErrTooLarge],
// [mq.ErrInvalidType], [mq.ErrClosed], [mq.ErrRemoved], [mq.ErrTooManyThreads],
// fs.ErrPermission, or ctx.Err() and the cause of ctx; then its text also says
// how full the queue is.
//
// See msgsnd(2).
func (q *Queue) Send(ctx context.Context, m mq.Message) error {
	if err := q.sendable(m); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return q.ended("send", ctx)
	}
	n := len(m.Data)
	for {
		errno := q.put(m)
		if errno == sys.EAGAIN {
			// The kernel would wait forever for room that there can
			// never be.
			if err := q.tooLarge(n, errno); err != nil {
				return err
			}
			errno = q.sendWaiting(ctx, m)
		}
		switch {
		case errno == 0:
			return nil
		case errno == sys.EINTR && (q.calls.Closed() || ctx.Err() != nil):
			return handle.Waited(q.ended("send", ctx), handle.NoRoom(q, n+q.reserved))
		case errno != sys.EINTR:
			return q.sendError(errno, n)
		}
	}
}

// TrySend adds m to the queue if there is room now; it never waits. If there is
// no room the error matches [mq.ErrFull]; otherwise it is like [Queue.Send].
//
// See msgsnd(2), IPC_NOWAIT.
func (q *Queue) TrySend(m mq.Message) error {
	if err := q.sendable(m); err != nil {
		return err
	}
	switch errno := q.put(m); errno {
	case 0:
		return nil
	case sys.EAGAIN:
		if err := q.tooLarge(len(m.Data), errno); err != nil {
			return err
		}
		return q.errFull
	default:
		return q.sendError(errno, len(m.Data))
	}
}

// sendable returns an error if m can never be sent.
func (q *Queue) sendable(m mq.Message) error {
	if err := q.usable("send", q.handle.Access.CanSend()); err != nil {
		return err
	}
	if m.Type < 1 || m.Type > sys.MaxType {
		return q.handle.Fail("send", mq.ErrInvalidType, nil, fmt.Sprintf("message type %d is not in 1 to %d", m.Type, sys.MaxType))
	}
	if len(m.Data) > maxRaw { // to avoid copying it for nothing
		return q.tooLarge(len(m.Data), nil)
	}
	return nil
}

// put makes one msgsnd that does not wait. It copies the payload, since the kernel
// requires a message in one piece with its type.
func (q *Queue) put(m mq.Message) sys.Errno {
	b := q.sending.Swap(nil)
	if b == nil || len(*b) < sys.TypeSize+len(m.Data) {
		b = getBuffer(len(m.Data))
	}
	sys.PutType(*b, m.Type)
	n := copy((*b)[sys.TypeSize:], m.Data)
	var errno sys.Errno
	if n <= maxRaw {
		errno = sys.TryMsgsndFrom(&(*b)[0], q.id, n)
	} else {
		errno = sys.Msgsnd(q.id, *b, n, sys.IPC_NOWAIT)
	}
	if len(*b) > sys.TypeSize+maxRaw || !q.sending.CompareAndSwap(nil, b) {
		putBuffer(b)
	}
	return errno
}

// sendWaiting is put with a msgsnd that waits. It returns EINTR if that was
// interrupted.
func (q *Queue) sendWaiting(ctx context.Context, m mq.Message) sys.Errno {
	return q.calls.Sleep(ctx, sleep.Line{Send: true}, len(m.Data), func(*sys.Deadline) sys.Errno {
		b := getBuffer(len(m.Data)) // only now, since many may wait, but few sleep
		defer putBuffer(b)
		sys.PutType(*b, m.Type)
		return sys.Msgsnd(q.id, *b, copy((*b)[sys.TypeSize:], m.Data), 0)
	})
}

// sendError distinguishes the two causes of EINVAL: more than kernel.msgmax, or
// no such queue.
func (q *Queue) sendError(errno sys.Errno, n int) error {
	if errno == sys.EINVAL {
		if err := q.tooLarge(n, errno); err != nil {
			return err
		}
	}
	return q.errno("send", errno)
}
