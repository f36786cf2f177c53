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
// that the caller may not use. Queues that are created or unlinked meanwhile may
// be missing.
//
// An error comes last, with a zero Stat. One about a single queue does not end
// the listing: that queue is listed with Bytes -1, or left out if not even its
// owner can be read, the others follow, and the error at the end names it.
//
// Only a file system of type mqueue lists the names of queues. It is found
// wherever it is mounted, usually at /dev/mqueue. If it is not mounted, the error
// matches fs.ErrNotExist and says how to mount it. It shows the queues of the IPC
// namespace in which it was mounted.
//
// Reading the state of a queue opens and closes it. The kernel takes this close
// as the end of the calling process's own registration with mq_notify(3). A
// program whose C code uses mq_notify should not list queues.
//
// See mq_overview(7), "Mounting the message queue filesystem".
func Queues() iter.Seq2[Stat, error] { return queuesAt(procfs.Root) }

// queuesAt lists the queues that are mounted according to proc.
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
