package sysv

import (
	"io/fs"
	"iter"

	"ipcmq/internal/procfs"
	"ipcmq/internal/sys"
	"ipcmq/mq"
)

// Queues returns an iterator over all queues of the caller's IPC namespace, also
// those that the caller may not use; before Linux 4.17, the Capacity of those is
// not known, and -1. Queues that are created or removed meanwhile may be
// missing. An error comes last, with a zero Stat; one about a single queue does
// not keep the others from being listed. It matches fs.ErrNotExist if /proc is
// not mounted.
//
// See /proc/sysvipc/msg in sysvipc(7).
func Queues() iter.Seq2[Stat, error] {
	return queues(procfs.Root)
}

func queues(proc fs.FS) iter.Seq2[Stat, error] {
	return func(yield func(Stat, error) bool) {
		for row, err := range procfs.MessageQueues(proc) {
			if err != nil {
				yield(Stat{}, &mq.Error{Op: "list queues", Err: err})
				return
			}
			ds, errno := statAny(row.ID)
			if errno != 0 {
				ds, errno = sys.MsgStat(row.ID)
			}
			switch errno {
			case 0:
			case sys.EIDRM, sys.EINVAL:
				continue // removed meanwhile
			default:
				ds = row.Msqid
			}
			s := newStat(row.ID, ds)
			if errno != 0 {
				s.Capacity = -1
			}
			if !yield(s, nil) {
				return
			}
		}
	}
}
