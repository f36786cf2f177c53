package sysv

import (
	"context"
	"fmt"
	"io/fs"

	"ipcmq/internal/limits"
	"ipcmq/internal/sleep"
	"ipcmq/internal/sys"
	"ipcmq/mq"
)

const noQueues = "this system has no System V message queues, or a sandbox such as seccomp forbids them"

// errno returns the error for an errno of a call on q. EINVAL means that the
// queue is gone: every other cause of it is ruled out before the calls.
func (q *Queue) errno(op string, errno sys.Errno) error {
	switch errno {
	case sys.EIDRM, sys.EINVAL:
		return q.handle.Fail(op, mq.ErrRemoved, errno, "")
	case sys.EACCES: // opening by id does not check it, and modes change
		missing := "read"
		if op == "send" {
			missing = "write"
		}
		return q.handle.Fail(op, fs.ErrPermission, errno, "the mode of the queue does not give this user "+missing+" access")
	case sys.EPERM:
		if _, e := sys.MsgLimits(); e == sys.EPERM { // MsgLimits needs no permission
			return q.handle.Fail(op, nil, errno, noQueues)
		}
		return q.handle.Fail(op, fs.ErrPermission, errno, "only the owner and the creator of the queue, and root, may do this")
	case sys.ENOSYS:
		return q.handle.Fail(op, nil, errno, noQueues)
	case sleep.NoThread:
		return q.handle.Fail(op, mq.ErrTooManyThreads, errno, sleep.Advice())
	}
	return q.handle.Fail(op, nil, errno, "")
}

// ended returns the error for a call that ctx or Close ended.
func (q *Queue) ended(op string, ctx context.Context) *mq.Error {
	return q.handle.Ended(op, ctx, q.calls.Closed())
}

func openError(name string, errno sys.Errno, c Config) error {
	e := &mq.Error{Op: "open", Queue: name, Err: errno}
	switch errno {
	case sys.EEXIST:
		e.Kind, e.Detail = fs.ErrExist, "the queue exists and Exclusive is set"
	case sys.ENOENT:
		e.Kind, e.Detail = fs.ErrNotExist, "there is no such queue and OpenOnly is set"
	case sys.EINVAL, sys.EIDRM: // of OpenID
		e.Kind, e.Detail = fs.ErrNotExist, "no queue has this id"
	case sys.EACCES:
		e.Kind, e.Detail = fs.ErrPermission, fmt.Sprintf("the mode of the queue does not give this user %v access", c.Access)
	case sys.ENOSPC:
		e.Detail = tooManyQueues()
	case sys.ENOSYS, sys.EPERM: // only seccomp(2) causes the latter
		e.Detail = noQueues
	}
	return e
}

// tooManyQueues explains ENOSPC of msgget.
func tooManyQueues() string {
	now, err := SystemLimits()
	if err != nil {
		return "the system has no room for another queue"
	}
	usage, err := SystemUsage()
	if err != nil {
		return "the system has no room for another queue"
	}
	raise := limits.MsgMni.Double(int64(now.MaxQueues))
	if int64(now.MaxQueues) >= limits.MsgMni.Ceiling {
		raise = "boot with ipcmni_extend, since this is the maximum without it"
	}
	return fmt.Sprintf("there are %d queues and kernel.msgmni = %d (remove those that nobody uses, see ipcs -q, or %s)",
		usage.Queues, now.MaxQueues, raise)
}

// tooLarge returns the error for n bytes of payload, naming the limit that they
// exceed now, or nil if they can fit.
func (q *Queue) tooLarge(n int, err error) error {
	if info, e := sys.MsgLimits(); e == 0 && n > int(info.Max) {
		return q.handle.Fail("send", mq.ErrTooLarge, err, fmt.Sprintf(
			"message of %d bytes exceeds kernel.msgmax = %d (%s)", n, info.Max, limits.MsgMax.SetAtLeast(int64(n))))
	}
	ds, e := q.statAnyhow()
	if e != 0 || uint64(n+q.reserved) <= ds.Qbytes && ds.Qbytes > 0 {
		return nil
	}
	return q.handle.Fail("send", mq.ErrTooLarge, err, fmt.Sprintf(
		"message of %d bytes exceeds the capacity of the queue, msg_qbytes = %d (raise it with Set; above kernel.msgmnb that needs CAP_SYS_RESOURCE)",
		n+q.reserved, ds.Qbytes))
}
