package sysv

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"ipcmq/internal/handle"
	"ipcmq/internal/pool"
	"ipcmq/internal/sleep"
	"ipcmq/internal/sys"
	"ipcmq/mq"
)

var _ mq.Leaser = (*Queue)(nil)

// leases is what a handle needs for leases.
type leases struct {
	lasts time.Duration
	most  int // slots of a pool that this handle makes

	mu     sync.RWMutex // held, for reading, by who uses the pool without sleeping
	pool   *pool.Pool   // from the first SelectLeases on
	closed bool

	tries atomic.Uint32
}

// close gives up the pool. No call sleeps any more.
func (l *leases) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pool != nil {
		l.pool.Close()
	}
	l.pool, l.closed = nil, true
}

// SelectLeases returns a receiver that takes what s selects on lease. What is on
// lease is in shared memory beside the queue, its pool, so that it outlives the
// process: if that dies, or the lease runs out (Config.Lease), the message is lent
// again, before those that are still in the queue. The system holds all that, and
// it ends with the system, or with the container whose IPC namespace it is.
//
// Programs that receive from the queue in other ways, in any language, stay as
// they are. What they take is theirs; one that waits gets a message before those
// who wait for a lease.
//
// Whoever may read the queue may write to the pool, and so could forge what is
// lent. The first who leases makes the pool; that must be the owner or the
// creator of the queue, or root. The pool is a System V shared memory segment
// under the key of the queue; [Queue.Remove] removes it too. A queue that was
// removed otherwise leaves it behind for the next queue with the key, or for
// [RemoveOrphanedPools]. [Queue.Pool] and [Pools] tell who has what.
//
// If a message was being taken in the very microsecond in which its taker was
// killed, and another receiver interfered, its length may not be certain. Such a
// lease says so with a method Uncertain() bool. Without MSG_COPY
// (CONFIG_CHECKPOINT_RESTORE) that is so after each such kill.
//
// The error matches [errors.ErrUnsupported] for a private queue, which has no key
// for a pool, where the key has a segment of another program, or the system has
// no shared memory; and fs.ErrPermission.
//
// See shmget(2), msgrcv(2).
func (q *Queue) SelectLeases(s mq.Selector) (mq.LeaseReceiver, error) {
	const op = "select leases"
	if err := q.usable(op, q.handle.Access.CanReceive()); err != nil {
		return nil, err
	}
	r, err := q.Select(s)
	if err != nil {
		return nil, err
	}
	if q.key == Private {
		return nil, q.handle.Fail(op, errors.ErrUnsupported, nil, "a private queue has no key, under which others would find the memory for leases: open it by a key")
	}
	q.leases.mu.Lock()
	defer q.leases.mu.Unlock()
	if q.leases.closed {
		return nil, q.handle.Fail(op, mq.ErrClosed, nil, "")
	}
	if q.leases.pool == nil {
		ds, errno := q.statAnyhow()
		if errno != 0 {
			return nil, q.errno(op, errno)
		}
		room := pool.MaxRoom
		if info, errno := sys.MsgLimits(); errno == 0 {
			room = min(room, int(info.Max))
		}
		p, err := pool.Open(q.poolOf(ds), q.leases.most, room)
		if err != nil {
			err.Op, err.Queue = op, q.handle.Name
			return nil, err
		}
		q.leases.pool = p
	}
	return &leaseReceiver{*r.(*receiver), s, q.leases.pool}, nil
}

func (q *Queue) poolOf(ds sys.Msqid) pool.Queue {
	return pool.Queue{ID: q.id, Key: ds.Key, UID: ds.UID, GID: ds.GID, CUID: ds.CUID, Mode: ds.Mode, Exists: func() bool {
		now, errno := q.statAnyhow()
		return errno == 0 && now.Key == ds.Key
	}}
}

// removePool removes the pool of a queue that was removed.
func (q *Queue) removePool(ds sys.Msqid) {
	if ds.Key != 0 {
		pool.Remove(q.poolOf(ds))
	}
}

// A leaseReceiver lends what one selector selects.
type leaseReceiver struct {
	receiver
	selector mq.Selector
	pool     *pool.Pool
}

// noRoom is what a call answers if as many messages are lent as may.
const noRoom = sys.ENOSPC

// Lease takes the next message on lease. See [mq.LeaseReceiver].
//
// Where as many messages are lent as the pool has room for, Lease waits until
// one is settled. The error matches [mq.ErrTooLarge] if the next message does not
// fit into the pool, because kernel.msgmax was raised since that was made.
func (r *leaseReceiver) Lease(ctx context.Context) (mq.Lease, error) {
	const op = "lease"
	q := r.q
	if err := q.usable(op, true); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, q.ended(op, ctx)
	}
	for {
		l, errno := r.try()
		full := errno == noRoom
		switch errno {
		case sys.ENOMSG:
			l, errno = r.wait(ctx)
		case noRoom:
			errno = q.calls.Sleep(ctx, sleep.Line{Type: r.typ, Flag: -1, One: true}, 0, func(*sys.Deadline) sys.Errno { return r.pool.AwaitRoom() })
		}
		switch {
		case l != nil:
			return &lease{q: q, lent: l}, nil
		case errno == 0, errno == noRoom:
			// Again: with room, or for it.
		case errno == sys.EINTR && (q.calls.Closed() || ctx.Err() != nil):
			return nil, handle.Waited(q.ended(op, ctx), r.lack(full))
		case errno != sys.EINTR:
			return nil, r.failed(op, errno)
		}
	}
}

// lack says what a lease waited for: a message, or room in the pool.
func (r *leaseReceiver) lack(full bool) string {
	if full {
		return fmt.Sprintf("%d messages are on lease, the most", r.pool.Slots())
	}
	return handle.NoMessage(r.q, r.selector)
}

// LeaseBatch takes up to n messages on lease. See [mq.LeaseReceiver].
func (r *leaseReceiver) LeaseBatch(ctx context.Context, n int) ([]mq.Lease, error) {
	if n < 1 {
		return nil, r.q.handle.Fail("lease", mq.ErrInvalidConfig, nil, fmt.Sprintf("a batch of %d messages; 1 is the least", n))
	}
	first, err := r.Lease(ctx)
	if err != nil {
		return nil, err
	}
	batch := []mq.Lease{first}
	for len(batch) < n {
		l, _ := r.try()
		if l == nil {
			break
		}
		batch = append(batch, &lease{q: r.q, lent: l})
	}
	return batch, nil
}

// failed returns the error for an errno.
func (r *leaseReceiver) failed(op string, errno sys.Errno) error {
	switch errno {
	case sys.EBADF:
		if err := r.q.checkPool(op); err != nil {
			return err
		}
		return r.q.handle.Fail(op, nil, nil, "the pool was damaged for a while")
	case sys.E2BIG:
		return r.q.handle.Fail(op, mq.ErrTooLarge, errno, fmt.Sprintf(
			"the next message is longer than the %d bytes for which the pool was made, when kernel.msgmax was less: receive it, or remove the pool while nothing is lent (ipcrm -M %v)", r.pool.Room(), r.q.key))
	case sys.ENFILE:
		return r.q.handle.Fail(op, nil, nil, "as many calls wait for leases, in all processes, as can at once")
	}
	return r.q.errno(op, errno)
}

// judgeEvery is after how many tries one looks for holders that have died, as calls
// that wait do: a process that always finds a message never waits.
const judgeEvery = 64

// try lends a message if there is one now. It answers EBADF after Close, or if
// the pool is of no use any more.
func (r *leaseReceiver) try() (*pool.Lent, sys.Errno) {
	q := r.q
	q.leases.mu.RLock()
	defer q.leases.mu.RUnlock()
	if q.leases.closed || r.pool.Check() != nil {
		return nil, sys.EBADF
	}
	if q.leases.tries.Add(1)%judgeEvery == 0 {
		r.pool.Judge()
	}
	if l := r.pool.Again(r.selector, q.leases.lasts); l != nil {
		if _, errno := q.statAnyhow(); errno != 0 {
			return nil, errno // the queue is gone, and all that was in it
		}
		return l, 0
	}
	s, ok := r.pool.Claim()
	if !ok {
		return nil, noRoom
	}
	r.expect(s)
	n, errno := r.receive(s, s.Room())
	if errno != 0 {
		s.Release()
		return nil, errno
	}
	if l := s.Taken(n, q.leases.lasts); l != nil {
		return l, 0
	}
	return nil, sys.EINTR // this process was stopped, and another has the message
}

// receive makes one msgrcv into a slot that does not wait.
func (r *leaseReceiver) receive(s pool.Slot, room int) (int, sys.Errno) {
	if room <= maxRaw {
		return sys.TryMsgrcv(r.q.id, s.Buffer(), room, r.typ, r.flags)
	}
	return sys.Msgrcv(r.q.id, s.Buffer(), room, r.typ, r.flags|sys.IPC_NOWAIT)
}

// lookedAt is how many messages expect looks at: MSG_COPY walks the queue for
// each, from its head.
const lookedAt = 8

// expect looks for the message that receive is likely to take.
func (r *leaseReceiver) expect(s pool.Slot) {
	b := getBuffer(256)
	defer func() { putBuffer(b) }()
	least := int64(0)
	for i := range lookedAt {
		n, errno := sys.TryMsgrcv(r.q.id, *b, len(*b)-sys.TypeSize, int64(i), sys.MSG_COPY)
		if errno == sys.E2BIG && len(*b) < sys.TypeSize+s.Room() {
			putBuffer(b)
			b = getBuffer(s.Room())
			n, errno = sys.Msgrcv(r.q.id, *b, len(*b)-sys.TypeSize, int64(i), sys.MSG_COPY|sys.IPC_NOWAIT)
		}
		if errno != 0 {
			return
		}
		typ := sys.GetType(*b)
		if !r.selector.Matches(typ) {
			continue
		}
		if r.selector.Kind() != mq.SelectUpTo {
			s.Expect((*b)[sys.TypeSize : sys.TypeSize+n])
			return
		}
		if least == 0 || typ < least {
			least = typ
			s.Expect((*b)[sys.TypeSize : sys.TypeSize+n])
		}
		if typ == 1 {
			return
		}
	}
}

// wait waits for a message and lends it. It answers EINTR if that was interrupted.
func (r *leaseReceiver) wait(ctx context.Context) (l *pool.Lent, errno sys.Errno) {
	line := sleep.Line{Type: r.typ, Flag: r.flags, One: true}
	key := lineOf{&r.q.calls, line}
	if !r.join(key) {
		return nil, sys.EBADF
	}
	defer r.pool.Leave(key)
	errno = r.q.calls.Sleep(ctx, line, 0, func(*sys.Deadline) (errno sys.Errno) {
		l, errno = r.sleep()
		return errno
	})
	return l, errno
}

type lineOf struct {
	calls *sleep.Calls
	line  sleep.Line
}

// join has the pool nudge the line. It reports whether the handle is not closed.
func (r *leaseReceiver) join(key lineOf) bool {
	r.q.leases.mu.RLock()
	defer r.q.leases.mu.RUnlock()
	if r.q.leases.closed {
		return false
	}
	r.pool.Join(key, func() { key.calls.Nudge(key.line) })
	return true
}

// sleep waits in the kernel until a message is there, and lends it. The call has
// room for nothing, so that it takes no message but one that has no payload, for
// which it has a slot.
func (r *leaseReceiver) sleep() (*pool.Lent, sys.Errno) {
	for {
		r.pool.Judge()
		l, errno := r.try()
		if errno != sys.ENOMSG {
			return l, errno
		}
		s, ok := r.pool.ClaimEmpty()
		if !ok {
			return nil, sys.ENFILE
		}
		n, errno := sys.Msgrcv(r.q.id, s.Buffer(), 0, r.typ, r.flags)
		if errno == 0 {
			if l := s.Taken(n, r.q.leases.lasts); l != nil {
				return l, 0
			}
			continue
		}
		s.Release()
		if errno != sys.E2BIG {
			return nil, errno
		}
	}
}

// checkPool returns an error if the pool is of no use any more.
func (q *Queue) checkPool(op string) error {
	q.leases.mu.RLock()
	defer q.leases.mu.RUnlock()
	if q.leases.closed {
		return q.handle.Fail(op, mq.ErrClosed, nil, "")
	}
	if err := q.leases.pool.Check(); err != nil {
		err.Op, err.Queue = op, q.handle.Name
		return err
	}
	return nil
}
