package posix

import (
	"fmt"
	"io/fs"
	"os"
	"strings"

	"ipcmq/internal/procfs"
	"ipcmq/internal/sys"
	"ipcmq/mq"
)

// FromFile makes a handle for a queue that this process has open as f: it has
// inherited the descriptor, for example from systemd with ListenMessageQueue=, or
// was sent it through a socket (SCM_RIGHTS).
//
// The handle duplicates the descriptor: f still belongs to the caller, who may
// close it. The handle has the access with which f was opened, whatever the mode of
// the queue.
//
// Duplicates of a descriptor share its flags, so FromFile does not change
// O_NONBLOCK, and the handle waits accordingly: in the poller of the Go runtime if
// it is set, and otherwise in the kernel, as with Config.Blocking. The flag must
// not be changed until the handle is closed.
//
// Of cfg, Owners and InboxMode apply; the other fields must be zero. If FromFile
// fails, nothing has changed; the error matches [mq.ErrInvalidConfig] if f is
// not a message queue, and fs.ErrPermission if its owner is not among Owners.
func FromFile(f *os.File, cfg *Config) (*Queue, error) {
	name := "descriptor"
	fail := func(kind, err error, detail string) (*Queue, error) {
		return nil, &mq.Error{Op: "open", Queue: name, Kind: kind, Err: err, Detail: detail}
	}
	if f == nil {
		return fail(mq.ErrInvalidConfig, nil, "the file is nil")
	}
	c, err := cfg.check(name)
	if err != nil {
		return nil, err
	}
	if cfg != nil && (cfg.Access != 0 || cfg.Mode != 0 || cfg.Exclusive || cfg.OpenOnly || cfg.MaxMessages != 0 || cfg.MaxMessageSize != 0 || cfg.Blocking) {
		return fail(mq.ErrInvalidConfig, nil, "only Owners and InboxMode apply to a queue that is already open")
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return fail(mq.ErrInvalidConfig, err, "")
	}
	fd, flags, isQueue, errno := 0, 0, false, sys.Errno(0)
	err = conn.Control(func(from uintptr) { // f.Fd() could change O_NONBLOCK
		name = fmt.Sprintf("descriptor %d", from)
		if isQueue, errno = sys.IsMqueue(int(from)); errno != 0 || !isQueue {
			return
		}
		if flags, errno = sys.FileFlags(int(from)); errno == 0 {
			fd, errno = sys.Duplicate(int(from))
		}
	})
	switch {
	case err != nil: // f was closed
		return fail(mq.ErrInvalidConfig, err, err.Error())
	case errno == sys.EMFILE:
		return fail(nil, errno, "the process has no descriptor left (raise RLIMIT_NOFILE with ulimit -n)")
	case errno == sys.ENOSYS:
		return fail(nil, errno, noQueues)
	case errno != 0:
		return fail(nil, errno, "")
	case !isQueue:
		return fail(mq.ErrInvalidConfig, nil, fmt.Sprintf("%q is not a POSIX message queue", f.Name()))
	}
	c.Access = map[int]mq.Access{sys.MQ_RDONLY: mq.ReadOnly, sys.MQ_WRONLY: mq.WriteOnly, sys.MQ_RDWR: mq.ReadWrite}[flags&sys.MQ_ACCMODE]
	c.Blocking = flags&sys.MQ_NONBLOCK == 0
	return inherit(name, fd, c)
}

// inherit makes a handle for a descriptor, which it closes if it fails.
func inherit(label string, fd int, c Config) (*Queue, error) {
	if c.Blocking {
		if errno := sys.MqCanSleep(); errno != 0 {
			os.NewFile(uintptr(fd), "").Close()
			return nil, openError(label, errno, c)
		}
	}
	if _, errno := sys.MqGetAttr(fd); errno == sys.EBADF { // their directory, or opened with O_PATH
		os.NewFile(uintptr(fd), "").Close()
		return nil, &mq.Error{Op: "open", Queue: label, Kind: mq.ErrInvalidConfig, Err: errno, Detail: "it is not an open message queue"}
	}
	name := nameOf(fd)
	if name != "" {
		label = name
	}
	q, err := newQueue(label, fd, c, true)
	if err != nil {
		return nil, err
	}
	q.name = name
	return q, nil
}

// nameOf returns the name of the queue that is open as fd, as /proc shows it,
// or "". Any directory is cut off; the name itself has no other slash.
func nameOf(fd int) string {
	path, err := fs.ReadLink(procfs.Root, fmt.Sprintf("self/fd/%d", fd))
	if err != nil {
		return ""
	}
	name := path[strings.LastIndexByte(path, '/')+1:]
	if n, errno := sys.Links(fd); errno != 0 {
		return ""
	} else if n == 0 {
		name = strings.TrimSuffix(name, " (deleted)")
	}
	if checkName("open", "/"+name) != nil {
		return ""
	}
	return "/" + name
}

// checkNamed returns an error unless the name of q still belongs to its queue. It
// may belong to one that was created after the queue was unlinked, or to one in
// this IPC namespace if q was inherited from another.
func (q *Queue) checkNamed() error {
	info, err := q.file.Stat()
	if err != nil {
		return q.fileError("unlink", err)
	}
	own := sys.FileStatus(info)
	switch {
	case q.name == "":
		return q.handle.Fail("unlink", fs.ErrNotExist, nil, "the name of the queue is not known")
	case own.Links == 0:
		return q.handle.Fail("unlink", fs.ErrNotExist, nil, "the name of the queue was unlinked already")
	case !q.inherited:
		return nil
	}
	named, err := Open(q.name, &Config{Access: q.handle.Access, OpenOnly: true})
	if err != nil {
		e := *err.(*mq.Error)
		e.Op = "unlink"
		return &e
	}
	defer named.Close()
	if info, err = named.file.Stat(); err != nil {
		return q.fileError("unlink", err)
	}
	if other := sys.FileStatus(info); own.Device != other.Device || own.Inode != other.Inode {
		return q.handle.Fail("unlink", fs.ErrNotExist, nil, "in this IPC namespace, another queue has the name")
	}
	return nil
}
