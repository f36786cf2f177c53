package posix

import (
	"context"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"ipcmq/internal/handle"
	"ipcmq/internal/poll"
	"ipcmq/internal/sys"
	"ipcmq/mq"
)

// A Queue is a handle on a POSIX message queue. Its methods may be called by
// several goroutines at once.
type Queue struct {
	receiver

	handle         handle.Handle
	name           string // "" if it is not known
	inherited      bool   // by FromFile: others may have the same open file
	blocking       bool
	created        bool
	inboxMode      fs.FileMode
	maxMessages    int
	maxMessageSize int

	file   *os.File // owns the descriptor, which is not registered with the runtime's poller
	fd     int
	now    *sys.Deadline // ends calls that must not wait; nil if O_NONBLOCK certainly does
	wait   waiter
	poller *poll.Poller // of receives
	closed atomic.Bool
	using  sync.RWMutex // held for reading while the descriptor is in use outside of wait; no call waits with it

	buffers sync.Pool // of *[]byte, maxMessageSize long

	errFull, errEmpty *mq.Error // made once: Try calls may be made in a loop
}

var _ mq.Queue = (*Queue)(nil)

// A waiter makes system calls that wait. They return EINTR if ctx has ended or
// the handle is closed, and possibly for no reason; nothing has moved then.
type waiter interface {
	send(ctx context.Context, data []byte, priority uint32) sys.Errno
	receive(ctx context.Context, buf []byte) (n int, priority uint32, errno sys.Errno)
	receiving() bool // whether a receive waits
	close()          // ends the calls that wait
}

// Open opens the queue with the given name, or creates it if there is none, so peers may start
// in any order. A name is a slash and 1 to 255 bytes without another slash, such as /jobs. A
// nil cfg means the defaults; see [Config].
//
// If Open fails, no queue was created, except that one may be left if the system runs out of
// memory at that very moment. The error matches fs.ErrExist, fs.ErrNotExist or
// fs.ErrPermission, and [mq.ErrInvalidConfig] if the name or cfg is contradictory or out of
// range. If a limit prevents creating the queue, its text names the limit. It matches
// errors.ErrUnsupported if the system has no such queues.
//
// See mq_open(3).
func Open(name string, cfg *Config) (*Queue, error) {
	if err := checkName("open", name); err != nil {
		return nil, err
	}
	c, err := cfg.check(name)
	if err != nil {
		return nil, err
	}
	if c.Blocking {
		if errno := sys.MqCanSleep(); errno != 0 {
			return nil, openError(name, errno, c)
		}
	}
	fd, created, errno := open(name, c)
	if errno != 0 {
		return nil, openError(name, errno, c)
	}
	// A new queue is never removed again: others may have sent to it.
	if created {
		c.Owners = nil // it is ours
	}
	q, err := newQueue(name, fd, c, false)
	if err != nil {
		return nil, err
	}
	q.created = created
	return q, nil
}

// open opens or creates. It makes two calls instead of one with O_CREAT alone,
// to know whether the queue is new.
func open(name string, c Config) (fd int, created bool, errno sys.Errno) {
	for range 100 { // while others create and unlink the queue between the two
		if !c.Exclusive {
			fd, errno = retry(func() (int, sys.Errno) { return sys.MqOpen(name, c.flags(), 0, nil) })
			if errno != sys.ENOENT || c.OpenOnly {
				return fd, false, errno
			}
		}
		fd, errno = retry(func() (int, sys.Errno) {
			return sys.MqOpen(name, c.flags()|sys.MQ_CREAT|sys.MQ_EXCL, uint32(c.Mode), c.attr())
		})
		if errno != sys.EEXIST || c.Exclusive {
			return fd, errno == 0, errno
		}
	}
	return 0, false, errno
}

func retry(call func() (int, sys.Errno)) (int, sys.Errno) {
	for {
		r, errno := call()
		if errno != sys.EINTR {
			return r, errno
		}
	}
}

// newQueue makes a handle for a descriptor, which it closes if it fails. The
// flag O_NONBLOCK of an inherited one is as c says.
func newQueue(name string, fd int, c Config, inherited bool) (*Queue, error) {
	file := os.NewFile(uintptr(fd), name)
	q := &Queue{
		handle: handle.Handle{Name: name, Access: c.Access}, name: name, inherited: inherited, blocking: c.Blocking,
		inboxMode: c.InboxMode, file: file, fd: fd,
	}
	attr, errno := sys.MqGetAttr(fd)
	if errno != 0 {
		file.Close()
		return nil, openError(name, errno, c)
	}
	q.maxMessages, q.maxMessageSize = int(attr.MaxMessages), int(attr.MaxMessageSize)
	if err := q.checkOwners(c.Owners); err != nil {
		file.Close()
		return nil, err
	}
	if c.Blocking || inherited && sys.MqCanSleep() == 0 {
		q.now = new(sys.Deadline)
	}
	if c.Blocking {
		q.wait = &sleeper{fd: fd}
	} else {
		if !inherited {
			// Only now: os.NewFile would have registered a nonblocking
			// descriptor.
			if errno := sys.MqSetNonblock(fd); errno != 0 {
				file.Close()
				return nil, openError(name, errno, c)
			}
		}
		q.wait = newPoller(q)
	}
	q.poller = poll.New(c.spin())
	q.receiver = receiver{q: q}
	q.buffers.New = func() any {
		b := make([]byte, q.maxMessageSize)
		return &b
	}
	q.errFull = q.handle.Fail("send", mq.ErrFull, sys.EAGAIN, "")
	q.errEmpty = q.handle.Fail("receive", mq.ErrEmpty, sys.EAGAIN, "")
	return q, nil
}

func (q *Queue) checkOwners(trusted []int) error {
	if len(trusted) == 0 {
		return nil
	}
	info, err := q.file.Stat()
	if err != nil {
		return &mq.Error{Op: "open", Queue: q.handle.Name, Err: err}
	}
	return q.handle.CheckOwners(trusted, handle.Owner{Role: "owner", UID: sys.FileStatus(info).UID})
}

// Name returns the name that the queue was opened with, or "" if [FromFile] could
// not find it.
func (q *Queue) Name() string { return q.name }

// String returns the name that the queue was opened with, or "descriptor 3" if
// [FromFile] could not find it.
func (q *Queue) String() string { return q.handle.Name }

// Created reports whether opening this handle created the queue.
func (q *Queue) Created() bool { return q.created }

// Close unblocks every call that is blocked on this handle, and makes it and all
// later ones fail with [mq.ErrClosed]. The queue and its messages stay in the
// kernel, unless its name was unlinked and this was its last handle. Close may
// be called more than once.
//
// See mq_close(3).
func (q *Queue) Close() error {
	if q.closed.Swap(true) {
		return nil
	}
	q.wait.close()
	q.using.Lock() // calls that use the descriptor now are quick
	defer q.using.Unlock()
	if err := q.file.Close(); err != nil {
		return &mq.Error{Op: "close", Queue: q.handle.Name, Err: err}
	}
	return nil
}

// Unlink removes the name of the queue. For those that have it open, the queue
// continues to exist, with its messages, until the last of them closes it. Whoever
// opens the name later creates another queue, which Unlink leaves alone, unless it
// is created at that very moment. If Unlink fails, nothing has changed; the error
// matches fs.ErrNotExist if the name is gone and fs.ErrPermission if the queue
// belongs to another user.
//
// See mq_unlink(3).
func (q *Queue) Unlink() error {
	if err := q.usable("unlink", true); err != nil {
		return err
	}
	if err := q.checkNamed(); err != nil {
		return err
	}
	return Unlink(q.name)
}

// Unlink removes the name of a queue like [Queue.Unlink], without opening it.
func Unlink(name string) error {
	if err := checkName("unlink", name); err != nil {
		return err
	}
	if errno := sys.MqUnlink(name); errno != 0 {
		return unlinkError(name, errno)
	}
	return nil
}

// Capabilities returns what POSIX queues can do: there are priorities and no
// types.
func (q *Queue) Capabilities() mq.Capabilities {
	return mq.Capabilities{
		MaxPriority: sys.MaxPriority,
		MaxPayload:  q.maxMessageSize,
		Selectors:   []mq.SelectorKind{mq.SelectAny},
	}
}

// SyscallConn returns access to a descriptor of the queue, for programs with
// their own poller (it is readable while there are messages and writable while
// there is room) and for calls that this package does not make. Its flag
// O_NONBLOCK is set and must not be changed, and its Read and Write have to
// wait while a call of this handle waits in that direction. With
// Config.Blocking the flag is not set, and Read and Write fail if they would
// have to wait.
func (q *Queue) SyscallConn() (syscall.RawConn, error) {
	if err := q.usable("access descriptor", true); err != nil {
		return nil, err
	}
	file := q.file
	if p, ok := q.wait.(*poller); ok {
		if errno := p.register(); errno != 0 {
			return nil, q.errno("access descriptor", errno)
		}
		file = p.file
	}
	return file.SyscallConn()
}

// usable returns an error if q was closed or lacks the access.
func (q *Queue) usable(op string, allowed bool) error {
	return q.handle.Usable(op, allowed, q.closed.Load())
}
