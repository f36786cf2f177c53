package posix

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"ipcmq/internal/procfs"
	"ipcmq/internal/sys"
	"ipcmq/mq"
)

// Stat is what the queue file system reports about a queue.
type Stat struct {
	Name     string      // as for [Open]
	Mode     fs.FileMode // permissions: read and write for owner, group, others
	UID, GID uint32      // owner
	Changed  time.Time   // creation, or the last send or receive

	// Bytes of payload in the queue; -1 if the caller may not read the
	// queue.
	Bytes int64

	// NotifyPID is the process that mq_notify(3) will notify of a message,
	// in the caller's pid namespace; 0 if there is none, or the caller may
	// not read the queue.
	NotifyPID int
}

// Stat returns the state of the queue. Bytes and NotifyPID are known only if
// the handle may receive. Unlike [Queues] it needs no mounted file system, and
// does not end a registration with mq_notify(3). [Queue.Attr] returns how many
// messages are in the queue.
//
// See fstat(2), and mq_overview(7) for what can be read of a queue.
func (q *Queue) Stat() (Stat, error) {
	if err := q.usable("stat", true); err != nil {
		return Stat{}, err
	}
	info, err := q.file.Stat()
	if err != nil {
		return Stat{}, q.fileError("stat", err)
	}
	s := newStat(q.name, info)
	if !q.handle.Access.CanReceive() {
		return s, nil
	}
	b := make([]byte, 512) // the line has about 80
	n, err := q.file.ReadAt(b, 0)
	if n == 0 {
		return Stat{}, q.fileError("stat", err)
	}
	state, err := procfs.ParseMqueue(string(b[:n]))
	if err != nil {
		return Stat{}, q.fileError("stat", err)
	}
	s.Bytes, s.NotifyPID = state.Size, state.NotifyPID
	return s, nil
}

// Check returns nil if the queue still has its name, under which others can
// open it. If it was unlinked the error matches [mq.ErrRemoved]; the handle can
// still be used.
func (q *Queue) Check() error {
	if err := q.usable("check", true); err != nil {
		return err
	}
	info, err := q.file.Stat()
	switch {
	case err != nil:
		return q.fileError("check", err)
	case sys.FileStatus(info).Links == 0:
		return q.handle.Fail("check", mq.ErrRemoved, nil, "the name of the queue was unlinked")
	}
	return nil
}

// fileError returns the error for one of a call on the queue as a file.
func (q *Queue) fileError(op string, err error) error {
	var path *fs.PathError // its text repeats the name
	switch {
	case errors.Is(err, os.ErrClosed):
		return q.handle.Fail(op, mq.ErrClosed, nil, "")
	case errors.As(err, &path):
		err = path.Err
	}
	return q.handle.Fail(op, nil, err, "")
}

func newStat(name string, info fs.FileInfo) Stat {
	status := sys.FileStatus(info)
	return Stat{Name: name, Mode: info.Mode().Perm(), UID: status.UID, GID: status.GID, Changed: info.ModTime(), Bytes: -1}
}

// statAt returns what can be read of a queue in a directory. The Name is set
// unless nothing could be read.
func statAt(mount fs.FS, entry fs.DirEntry) (Stat, error) {
	info, err := entry.Info()
	if err != nil {
		return Stat{}, err
	}
	s := newStat("/"+entry.Name(), info)
	state, err := procfs.ReadMqueue(mount, entry.Name())
	if errors.Is(err, fs.ErrPermission) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	s.Bytes, s.NotifyPID = state.Size, state.NotifyPID
	return s, nil
}
