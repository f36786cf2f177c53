package posix

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"

	"ipcmq/internal/procfs"
	"ipcmq/mq"
)

// Queues returns an iterator over all queues of the IPC namespace, also those
// that the caller may not use. Queues that come or go meanwhile may be missing.
//
// An error comes last, with a zero Stat. One about a single queue does not end
// the listing: that queue is listed with Bytes of -1, or left out if not even its
// owner can be told, the others follow, and the error at the end names it.
//
// The names of queues are told by a file system of type mqueue only. It is
// found wherever it is mounted, mostly at /dev/mqueue. Where it is not, the error
// matches fs.ErrNotExist and says how to mount it. A mounted one shows the
// queues of the IPC namespace in which it was mounted.
//
// To look at a queue is to open and close it, and by that a process that has
// asked with mq_notify(3) to be told of its messages takes that back. A program
// whose C code does so should not list queues.
//
// See mq_overview(7), "Mounting the message queue filesystem".
func Queues() iter.Seq2[Stat, error] { return queuesAt(procfs.Root) }

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
		queuesIn(directory(dir))(yield)
	}
}

// directory is a file system of the files in a directory. Unlike those of
// os.DirFS, their names need not be UTF-8.
type directory string

// Open opens a file of the directory, or the directory itself.
func (d directory) Open(name string) (fs.File, error) { return os.Open(string(d) + "/" + name) }

// queuesIn lists the queues of a mounted file system.
func queuesIn(mount fs.FS) iter.Seq2[Stat, error] {
	return func(yield func(Stat, error) bool) {
		var first *mq.Error // about a single queue
		bad := 0
		entries, err := fs.ReadDir(mount, ".")
		if err != nil {
			first, bad = &mq.Error{Op: "list queues", Err: err}, 1
		}
		for _, entry := range entries {
			s, err := statAt(mount, entry)
			if errors.Is(err, fs.ErrNotExist) {
				continue // unlinked meanwhile
			}
			if err != nil {
				if bad++; first == nil {
					first = &mq.Error{Op: "list queues", Queue: "/" + entry.Name(), Err: err}
				}
			}
			if s.Name != "" && !yield(s, nil) {
				return
			}
		}
		if bad > 1 {
			first.Detail = fmt.Sprintf("the first of %d errors", bad)
		}
		if first != nil {
			yield(Stat{}, first)
		}
	}
}
