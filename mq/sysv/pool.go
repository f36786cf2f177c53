package sysv

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"time"

	"ipcmq/internal/pool"
	"ipcmq/internal/procfs"
	"ipcmq/internal/sys"
	"ipcmq/mq"
)

// A Pool describes the shared memory that holds the messages of a queue that are on
// lease, see [Queue.SelectLeases], at the time it was read. Reading it changes
// nothing.
//
// Whoever may read the queue may write anything into its pool, so its contents can
// be forged.
type Pool struct {
	Segment int // identifier of the shared memory segment
	Key     Key // of the segment, and of its queue
	Queue   int // identifier of the queue; -1 if not known

	// Orphan reports that the queue is gone, removed by a program that does not
	// know about pools: nobody will get the messages in this one.
	Orphan bool

	Mode     fs.FileMode // permissions: read and write for owner, group, others
	UID, GID uint32      // owner
	CUID     uint32      // creator
	Size     int64       // bytes
	Attached int         // how many times processes have it attached

	Slots int // how many messages can be lent at once
	Free  int // how many more can be lent now
	Room  int // bytes of payload for which a slot has room

	Held     int // messages that a process has on lease
	Dead     int // of these, those whose process has certainly ended
	Unjudged int // of these, those whose process cannot be judged from here
	Returned int // messages that were given back
	Due      int // of all, those that will be lent again to the next caller

	Holders []Holder // the processes that hold messages
}

// A Holder is a process that has messages on lease.
type Holder struct {
	PID   int    // in its pid namespace; 0 if the process could not find out
	Start uint64 // when it was started, in ticks since the boot
	Ended bool   // whether it has certainly ended; a zombie has
	Known bool   // whether Ended is known: not in another pid or time namespace, nor without /proc

	Messages int       // how many it has
	Since    time.Time // when the earliest of these leases began, if it is known
	Until    time.Time // when the first of these leases runs out
}

// A Leased describes a message in a pool.
type Leased struct {
	Type      int64
	Sequence  uint64 // its number
	Attempt   int    // how many times it was lent
	Size      int    // bytes of payload; -1 if a process was just taking the message, or was killed doing so
	Uncertain bool   // the payload may be cut: see Uncertain of a lease

	Returned bool   // it was given back: nobody has it
	Holder   Holder // who has it, with the times of this lease; Messages is 1

	// Until is when the lease runs out, or when the message, if it was given
	// back, can be lent again; zero if it has no time yet.
	Until time.Time
	Due   bool // it will be lent again to the next caller

	in pool.Message
}

// Pools returns an iterator over all pools of the caller's IPC namespace. An error
// with a Pool is about that one, whose fields down to Size are known; it matches
// fs.ErrPermission if the caller may not read it, and so cannot be sure that it is a
// pool. An error with a zero Pool comes last, and matches fs.ErrNotExist if /proc is
// not mounted, or the system has no shared memory.
//
// See /proc/sysvipc/shm in sysvipc(7), shmat(2).
func Pools() iter.Seq2[Pool, error] {
	return func(yield func(Pool, error) bool) {
		for s, err := range procfs.Segments(procfs.Root) {
			if err != nil {
				yield(Pool{}, &mq.Error{Op: "list pools", Err: err})
				return
			}
			if s.Removed || !pool.MayBe(s.Size) {
				continue
			}
			p, err := lookAt(s)
			if err != nil && errors.Is(err, fs.ErrNotExist) {
				continue // gone by now, or not a pool
			}
			if !yield(p, err) {
				return
			}
		}
	}
}

// Pool returns the pool of the queue. The error matches fs.ErrNotExist if it has
// none, as before the first lease; other errors are those of [Pools].
func (q *Queue) Pool() (Pool, error) {
	const op = "look at pool"
	if err := q.usable(op, true); err != nil {
		return Pool{}, err
	}
	ds, errno := q.statAnyhow()
	if errno != 0 {
		return Pool{}, q.errno(op, errno)
	}
	none := func() error { return q.handle.Fail(op, fs.ErrNotExist, nil, "no message of this queue was ever lent") }
	if ds.Key == uint32(Private) {
		return Pool{}, none()
	}
	id, errno := sys.Shmget(ds.Key, 0, 0)
	if errno != 0 {
		return Pool{}, none()
	}
	s := procfs.Segment{ID: id, Key: ds.Key}
	if s.Shmid, errno = sys.ShmStat(id); errno != 0 {
		return Pool{}, q.handle.Fail(op, fs.ErrPermission, errno, "a segment has the key of the queue, and this user may not read it")
	}
	if !pool.MayBe(s.Size) {
		return Pool{}, none()
	}
	p, err := lookAt(s)
	if err != nil && errors.Is(err, fs.ErrNotExist) || p.Queue != q.id {
		return Pool{}, none()
	}
	return p, err
}

// lookAt reads a segment that has the size of a pool.
func lookAt(s procfs.Segment) (Pool, error) {
	p := Pool{Segment: s.ID, Key: Key(s.Key), Queue: -1, Mode: fs.FileMode(s.Mode), UID: s.UID, GID: s.GID, CUID: s.CUID, Size: s.Size, Attached: s.Attached}
	v, failed := pool.Look(s.ID)
	switch {
	case failed == nil:
		p.Queue = v.Queue
	case errors.Is(failed, fs.ErrPermission):
		if id, errno := sys.Msgget(s.Key, 0); errno == 0 && p.Key != Private {
			p.Queue = id // it cannot belong to another queue
		}
	case !errors.Is(failed, fs.ErrNotExist):
		p.Queue = v.Queue
	}
	if p.Queue >= 0 {
		ds, errno := sys.MsgStat(p.Queue)
		if errno == sys.EACCES {
			ds, errno = statAny(p.Queue)
		}
		switch {
		case errno == sys.EINVAL, errno == sys.EIDRM, errno == 0 && ds.Key != s.Key:
			p.Orphan = true
		case errno == 0 && failed == nil:
			failed = (&pool.Queue{UID: ds.UID, CUID: ds.CUID}).Distrust(s.ID, s.CUID)
		}
	}
	if failed != nil {
		failed.Op, failed.Queue = "look at pool", p.Key.String()
		return p, failed
	}
	p.Slots, p.Free, p.Room = v.Slots, v.Free, v.Room
	p.Held, p.Dead, p.Unjudged, p.Returned, p.Due = v.Held, v.Dead, v.Unjudged, v.Returned, v.Due
	for _, h := range v.Holders {
		p.Holders = append(p.Holders, Holder{h.PID, h.Start, h.Dead, h.Judged, h.Messages, h.Since, h.Until})
	}
	return p, nil
}

// Leases returns the messages that are in the pool now, the oldest first, up to most
// of them; 0 means all. The error matches fs.ErrNotExist if the pool is gone, and
// [mq.ErrInvalidConfig] if most is negative.
func (p Pool) Leases(most int) ([]Leased, error) {
	if most < 0 {
		return nil, &mq.Error{Op: "look at leases", Queue: p.Key.String(), Kind: mq.ErrInvalidConfig, Detail: fmt.Sprintf("most = %d is negative; 0 is all", most)}
	}
	messages, err := pool.Messages(p.Segment, p.Queue, most)
	if err != nil {
		err.Op, err.Queue = "look at leases", p.Key.String()
		return nil, err
	}
	all := make([]Leased, len(messages))
	for i, m := range messages {
		l := Leased{Type: m.Type, Sequence: m.Sequence, Attempt: m.Attempt, Size: m.Length, Uncertain: m.Unsure,
			Returned: m.Returned, Until: m.Until, Due: m.Due, in: m}
		if !m.Returned {
			l.Holder = Holder{m.Process.PID, m.Process.Start, m.Dead, m.Judged, 1, m.Since, m.Until}
		}
		all[i] = l
	}
	return all, nil
}

// Peek returns a copy of a message that [Pool.Leases] has returned, and leaves it
// where it is. The error matches [mq.ErrEmpty] if it is no longer in the pool, or is
// just being taken from the queue, and fs.ErrNotExist if the pool is gone.
func (p Pool) Peek(l Leased) (mq.Message, error) {
	data, _, err := pool.Payload(p.Segment, p.Queue, l.in)
	if err != nil {
		err.Op, err.Queue = "peek lent", p.Key.String()
		return mq.Message{}, err
	}
	return mq.Message{Type: l.Type, Data: data}, nil
}

// RemoveOrphanedPools removes the pools whose queue is gone, as far as the caller
// may, and returns them. The error says why others could not be removed or read.
func RemoveOrphanedPools() (removed []Pool, _ error) {
	var orphans []Pool
	var failed []error
	for p, err := range Pools() {
		switch {
		case p.Orphan:
			orphans = append(orphans, p)
		case err != nil && p.Queue < 0:
			failed = append(failed, err)
		}
	}
	for _, p := range orphans {
		switch errno := sys.ShmRemove(p.Segment); errno {
		case 0:
			removed = append(removed, p)
		case sys.EINVAL, sys.EIDRM: // somebody else has removed it
		default:
			failed = append(failed, p.fail("remove pool", errno, "only its owner, user %d, and its creator, user %d, may", p.UID, p.CUID))
		}
	}
	return removed, errors.Join(failed...)
}

func (p Pool) fail(op string, err error, format string, args ...any) error {
	return &mq.Error{Op: op, Queue: p.Key.String(), Err: err, Detail: fmt.Sprintf(format, args...)}
}
