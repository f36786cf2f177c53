package sysv

import (
	"io/fs"
	"time"

	"ipcmq/internal/sys"
	"ipcmq/mq"
)

// Stat is what the kernel reports about a queue (struct msqid_ds of msgctl(2)).
type Stat struct {
	ID   int         // identifier, as msgget(2) returns it
	Key  Key         // Private if the queue has no name
	Seq  uint32      // how often this queue's place in the kernel's table was used before
	Mode fs.FileMode // permissions: read and write for owner, group, others

	UID, GID   uint32 // owner (msg_perm.uid, gid)
	CUID, CGID uint32 // creator (msg_perm.cuid, cgid)

	Messages int64 // messages waiting (msg_qnum)
	Bytes    int64 // bytes of payload waiting (msg_cbytes)
	Capacity int64 // maximum bytes of payload (msg_qbytes); -1 if not known

	// Process ids in the caller's pid namespace; 0 for none, or a process
	// outside of it.
	LastSender   int // of the last send (msg_lspid)
	LastReceiver int // of the last receive (msg_lrpid)

	// Times, to the second; zero for never.
	LastSend    time.Time // msg_stime
	LastReceive time.Time // msg_rtime
	Changed     time.Time // creation or last Set (msg_ctime)
}

// Stat returns the state of the queue. It needs no permission, except to read
// before Linux 4.17, which lacks MSG_STAT_ANY. The error matches [mq.ErrRemoved]
// if the queue is gone.
//
// See msgctl(2), IPC_STAT and MSG_STAT_ANY.
func (q *Queue) Stat() (Stat, error) {
	if err := q.usable("stat", true); err != nil {
		return Stat{}, err
	}
	ds, errno := q.statAnyhow()
	if errno != 0 {
		return Stat{}, q.errno("stat", errno)
	}
	return newStat(q.id, ds), nil
}

// Usage returns how full the queue is. It needs the same permission as
// [Queue.Stat]. The kernel allows as many messages as bytes.
func (q *Queue) Usage() (mq.Usage, error) {
	s, err := q.Stat()
	if err != nil {
		return mq.Usage{}, err
	}
	most := max(s.Capacity, 0)
	return mq.Usage{Messages: s.Messages, MaxMessages: most, Bytes: s.Bytes, MaxBytes: most}, nil
}

func newStat(id int, ds sys.Msqid) Stat {
	return Stat{
		ID: id, Key: Key(ds.Key), Seq: ds.Seq, Mode: fs.FileMode(ds.Mode & 0o777),
		UID: ds.UID, GID: ds.GID, CUID: ds.CUID, CGID: ds.CGID,
		Messages: int64(ds.Qnum), Bytes: int64(ds.Cbytes), Capacity: int64(ds.Qbytes),
		LastSender: int(ds.Lspid), LastReceiver: int(ds.Lrpid),
		LastSend: seconds(ds.Stime), LastReceive: seconds(ds.Rtime), Changed: seconds(ds.Ctime),
	}
}

func seconds(s int64) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(s, 0)
}

// statAnyhow reads the state, also without read permission if the kernel
// supports that.
func (q *Queue) statAnyhow() (sys.Msqid, sys.Errno) {
	ds, errno := sys.MsgStat(q.id)
	if errno == sys.EACCES {
		if any, e := statAny(q.id); e == 0 {
			return any, 0
		}
	}
	return ds, errno
}

// statAny reads the state of a queue that the caller may not read
// (MSG_STAT_ANY, since Linux 4.17). It returns EINVAL if there is none.
func statAny(id int) (sys.Msqid, sys.Errno) {
	// The low bits of an id are the index that the call takes: 15, or 24
	// after booting with ipcmni_extend.
	for _, bits := range []int{15, 24} {
		found, ds, errno := sys.MsgStatAny(id & (1<<bits - 1))
		if errno == 0 && found == id {
			return ds, 0
		}
	}
	return sys.Msqid{}, sys.EINVAL
}
