package posix

import (
	"context"
	"fmt"
	"io/fs"
	"os"

	"ipcmq/internal/limits"
	"ipcmq/internal/sleep"
	"ipcmq/internal/sys"
	"ipcmq/mq"
)

const noQueues = "this system has no POSIX message queues (CONFIG_POSIX_MQUEUE), or a sandbox such as gVisor or seccomp forbids them"

// errno returns the error for an errno of a call on q.
func (q *Queue) errno(op string, errno sys.Errno) error {
	switch errno {
	case sys.EBADF, sys.EINTR:
		return q.handle.Fail(op, mq.ErrClosed, nil, "")
	case sys.EMFILE:
		return q.handle.Fail(op, nil, errno, "waiting takes another descriptor, and the process has none left (raise RLIMIT_NOFILE with ulimit -n, or set Config.Blocking)")
	case sys.ENOSPC:
		return q.handle.Fail(op, nil, errno, "the poller of the Go runtime accepts no more descriptors (raise fs.epoll.max_user_watches, or set Config.Blocking)")
	case sys.ENOMEM:
		return q.handle.Fail(op, nil, errno, "the kernel has no memory for the message")
	case sleep.NoThread:
		return q.handle.Fail(op, mq.ErrTooManyThreads, errno, sleep.Advice())
	case sys.ENOSYS, sys.EPERM: // only seccomp(2) causes the latter
		return q.handle.Fail(op, nil, errno, noQueues)
	}
	return q.handle.Fail(op, nil, errno, "")
}

// ended returns the error for a call that ctx or Close ended.
func (q *Queue) ended(op string, ctx context.Context) *mq.Error {
	return q.handle.Ended(op, ctx, q.closed.Load())
}

// openError explains why a queue could not be opened or created. The kernel has
// many limits but only a few errnos.
func openError(name string, errno sys.Errno, c Config) error {
	e := &mq.Error{Op: "open", Queue: name, Err: errno}
	switch errno {
	case sys.EEXIST:
		e.Kind, e.Detail = fs.ErrExist, "the queue exists and Exclusive is set"
	case sys.ENOENT:
		e.Kind, e.Detail = fs.ErrNotExist, "there is no such queue and OpenOnly is set"
	case sys.EACCES:
		e.Kind, e.Detail = fs.ErrPermission, fmt.Sprintf("the mode of the queue does not give this user %v access", c.Access)
	case sys.EINVAL:
		e.Kind, e.Detail = mq.ErrInvalidConfig, tooLargeQueue(c)
	case sys.EMFILE:
		e.Detail = tooManyBytes(c)
	case sys.ENFILE:
		e.Detail = "the system has no room for another open file (sysctl fs.file-max)"
	case sys.ENOSPC:
		e.Detail = tooManyQueues()
	case sys.ENOMEM:
		e.Detail = "the kernel has no memory for the queue; lower MaxMessages or MaxMessageSize"
	case sys.ENOSYS, sys.EPERM: // only seccomp(2) causes the latter
		e.Detail = noQueues
		if errno == sys.ENOSYS && c.Blocking {
			e.Detail += "; Blocking needs Linux 5.1 on 32-bit systems"
		}
	}
	return e
}

// tooLargeQueue explains EINVAL of mq_open.
func tooLargeQueue(c Config) string {
	l, err := SystemLimits()
	switch {
	case err != nil:
		return fmt.Sprintf("MaxMessages = %d or MaxMessageSize = %d bytes exceeds the limits fs.mqueue.msg_max and fs.mqueue.msgsize_max",
			c.MaxMessages, c.MaxMessageSize)
	case c.MaxMessages > l.MaxMessages:
		return fmt.Sprintf("MaxMessages = %d exceeds fs.mqueue.msg_max = %d (%s)",
			c.MaxMessages, l.MaxMessages, limits.MqMsgMax.Set(int64(c.MaxMessages)))
	case c.MaxMessageSize > l.MaxMessageSize:
		return fmt.Sprintf("MaxMessageSize = %d bytes exceeds fs.mqueue.msgsize_max = %d (%s)",
			c.MaxMessageSize, l.MaxMessageSize, limits.MqMsgsizeMax.SetAtLeast(int64(c.MaxMessageSize)))
	}
	return fmt.Sprintf("the kernel refuses a queue of %d messages of %d bytes", c.MaxMessages, c.MaxMessageSize)
}

// tooManyBytes explains EMFILE of mq_open.
func tooManyBytes(c Config) string {
	if f, err := os.Open(os.DevNull); err != nil {
		return "the process has no descriptor left (raise RLIMIT_NOFILE with ulimit -n)"
	} else {
		f.Close()
	}
	attr := c.attr()
	if attr == nil {
		attr = new(sys.MqAttr)
		attr.MaxMessages, attr.MaxMessageSize = defaults()
	}
	text := fmt.Sprintf("a queue of %d messages of %d bytes takes %d bytes of RLIMIT_MSGQUEUE",
		attr.MaxMessages, attr.MaxMessageSize, footprint(attr.MaxMessages, attr.MaxMessageSize))
	if soft, hard, errno := sys.MqLimit(); errno == 0 {
		text += fmt.Sprintf(" = %s (hard limit %s)", bytesText(soft), bytesText(hard))
	}
	return text + ", which the queues of all processes of this user share: unlink queues that nobody uses, lower MaxMessages or MaxMessageSize, " +
		"or raise it with ulimit -q or LimitMSGQUEUE= of systemd"
}

func bytesText(limit uint64) string {
	if limit == unlimited {
		return "unlimited"
	}
	return fmt.Sprint(limit)
}

// tooManyQueues explains ENOSPC of mq_open.
func tooManyQueues() string {
	l, err := SystemLimits()
	if err != nil {
		return "there are fs.mqueue.queues_max queues already"
	}
	return fmt.Sprintf("there are fs.mqueue.queues_max = %d queues already (unlink those that nobody uses, or %s)",
		l.MaxQueues, limits.MqQueuesMax.Double(int64(l.MaxQueues)))
}

func unlinkError(name string, errno sys.Errno) error {
	e := &mq.Error{Op: "unlink", Queue: name, Err: errno}
	switch errno {
	case sys.ENOENT:
		e.Kind, e.Detail = fs.ErrNotExist, "there is no such queue"
	case sys.EACCES, sys.EPERM:
		e.Kind, e.Detail = fs.ErrPermission, "only the owner of the queue and root may do this"
	case sys.ENOSYS:
		e.Detail = noQueues
	}
	return e
}
