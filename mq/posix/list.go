package posix

import (
	"errors"
	"io/fs"
	"iter"
	"os"
	"time"

	"ipcmq/internal/procfs"
	"ipcmq/internal/sys"
	"ipcmq/mq"
)

// Stat is what the queue file system tells of a queue.
type Stat struct {
	Name     string      // as for [Open]
	Mode     fs.FileMode // permissions: read and write for owner, group, others
	UID, GID uint32      // owner
	Changed  time.Time   // creation, or the last send or receive

	// Bytes of payload waiting; -1 if the caller may not read the queue.
	Bytes int64

	// NotifyPID is the process that mq_notify(3) is to tell of a message, in
	// the caller's pid namespace; 0 if there is none, or the caller may not
	// read the queue.
	NotifyPID int
}

// Queues returns an iterator over all queues of the IPC namespace, also those
// that the caller may not use. Queues that come or go meanwhile may be missing.
// An error comes last, with a zero Stat.
//
// The names of queues are told by a file system of type mqueue only. It is
// found wherever it is mounted, mostly at /dev/mqueue. Where it is not, the error
// matches fs.ErrNotExist and says how to mount it. A mounted one shows the
// queues of the IPC namespace in which it was mounted.
//
// See mq_overview(7), "Mounting the message queue filesystem".
func Queues() iter.Seq2[Stat, error] { return queuesAt(os.DirFS("/proc")) }

// queuesAt lists the queues where proc says that they are mounted.
func queuesAt(proc fs.FS) iter.Seq2[Stat, error] {
	return func(yield func(Stat, error) bool) {
		dir, err := procfs.MqueueMount(proc)
		if err == nil && dir == "" {
			err = &mq.Error{Op: "list queues", Kind: fs.ErrNotExist,
				Detail: "no file system of type mqueue is mounted (mkdir -p /dev/mqueue && mount -t mqueue none /dev/mqueue)"}
		} else if err != nil {
			err = &mq.Error{Op: "list queues", Err: err}
		}
		if err != nil {
			yield(Stat{}, err)
			return
		}
		queuesIn(os.DirFS(dir))(yield)
	}
}

// queuesIn lists the queues of a mounted file system.
func queuesIn(mount fs.FS) iter.Seq2[Stat, error] {
	return func(yield func(Stat, error) bool) {
		entries, err := fs.ReadDir(mount, ".")
		if err != nil {
			yield(Stat{}, &mq.Error{Op: "list queues", Err: err})
			return
		}
		for _, entry := range entries {
			s, err := stat(mount, entry)
			if errors.Is(err, fs.ErrNotExist) {
				continue // unlinked meanwhile
			}
			if err != nil {
				yield(Stat{}, &mq.Error{Op: "list queues", Queue: "/" + entry.Name(), Err: err})
				return
			}
			if !yield(s, nil) {
				return
			}
		}
	}
}

func stat(mount fs.FS, entry fs.DirEntry) (Stat, error) {
	info, err := entry.Info()
	if err != nil {
		return Stat{}, err
	}
	status := sys.FileStatus(info)
	s := Stat{Name: "/" + entry.Name(), Mode: info.Mode().Perm(), UID: status.UID, GID: status.GID, Changed: info.ModTime(), Bytes: -1}
	state, err := procfs.ReadMqueue(mount, entry.Name())
	if errors.Is(err, fs.ErrPermission) {
		return s, nil
	}
	s.Bytes, s.NotifyPID = state.Size, state.NotifyPID
	return s, err
}
