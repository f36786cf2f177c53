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
// with the payloads that wait. A larger one is refused at once. (If another
// process lowers the capacity while Send waits, below what m needs, Send waits
// until it is raised again or ctx ends.)
//
// If Send returns an error, m was not sent. The error matches [mq.ErrTooLarge],
// [mq.ErrInvalidType], [mq.ErrClosed], [mq.ErrRemoved], [mq.ErrTooManyThreads],
// fs.ErrPermission, or ctx.Err() and the cause of ctx; then it says how full the
// queue is.
//
// See msgsnd(2).
func (q *Queue) Send(ctx context.Context, m mq.Message) error {
	if err := q.sendable(m); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return q.ended("send", ctx)
	}
	var out outgoing
	defer out.release()
	n := len(m.Data)
	for {
		errno := q.put(out.fill(m), n)
		if errno == sys.EAGAIN {
			// The kernel would wait for ever for room that can never be.
			if err := q.tooLarge(n, errno); err != nil {
				return err
			}
			out.release() // many may wait, and few sleep
			errno = q.calls.Sleep(ctx, sleep.Line{Send: true}, n, func(*sys.Deadline) sys.Errno { return sys.Msgsnd(q.id, out.fill(m), n, 0) })
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
// no room the error matches [mq.ErrFull]; otherwise it is as [Queue.Send].
//
// See msgsnd(2), IPC_NOWAIT.
func (q *Queue) TrySend(m mq.Message) error {
	if err := q.sendable(m); err != nil {
		return err
	}
	var out outgoing
	defer out.release()
	b := out.fill(m)
	switch errno := q.put(b, len(m.Data)); errno {
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
	if len(m.Data) > maxRaw { // before copying much in vain
		return q.tooLarge(len(m.Data), nil)
	}
	return nil
}

// outgoing is a message as the kernel wants it: in one piece with its type,
// which the caller's payload is not.
type outgoing struct {
	small  [sys.TypeSize + 256]byte // on the caller's stack, which is quicker than a pool
	pooled *[]byte
}

func (o *outgoing) fill(m mq.Message) []byte {
	b := o.small[:]
	if len(m.Data) > len(b)-sys.TypeSize {
		if o.pooled == nil {
			o.pooled = getBuffer(len(m.Data))
		}
		b = *o.pooled
	}
	sys.PutType(b, m.Type)
	copy(b[sys.TypeSize:], m.Data)
	return b
}

func (o *outgoing) release() {
	if o.pooled != nil {
		putBuffer(o.pooled)
		o.pooled = nil
	}
}

// put makes one msgsnd that does not wait.
func (q *Queue) put(b []byte, n int) sys.Errno {
	if n <= maxRaw {
		return sys.TryMsgsnd(q.id, b, n, 0)
	}
	return sys.Msgsnd(q.id, b, n, sys.IPC_NOWAIT)
}

// sendError tells the two causes of EINVAL apart: too much for kernel.msgmax,
// or no such queue.
func (q *Queue) sendError(errno sys.Errno, n int) error {
	if errno == sys.EINVAL {
		if err := q.tooLarge(n, errno); err != nil {
			return err
		}
	}
	return q.errno("send", errno)
}
