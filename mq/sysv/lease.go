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

// leases is the state of a handle that leases.
type leases struct {
	lasts time.Duration
	most  int // slots of a pool that this handle creates

	mu     sync.RWMutex // held, for reading, by calls that use the pool without sleeping
	pool   *pool.Pool   // from the first SelectLeases on
	closed bool

	tries atomic.Uint32
}

// close gives up the pool. No call may be asleep any more.
func (l *leases) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pool != nil {
		l.pool.Close()
	}
	l.pool, l.closed = nil, true
}

// SelectLeases returns a receiver that takes what s selects on lease. Messages on
// lease are in shared memory that belongs to the queue, its pool, so that they
// outlive the process: if it dies, or the lease runs out (Config.Lease), the
// message is lent again, before those that are still in the queue. Like the queue,
// the pool is lost when the system restarts, or the container whose IPC namespace
// it is in ends.
//
// Programs that receive from the queue in other ways, in any language, need not be
// changed. What they take is theirs; one that waits gets a message before those
// that wait for a lease.
//
// Whoever may read the queue may write to the pool, and so could forge what is
// lent. The first process that leases creates the pool; its user must be the owner
// or the creator of the queue, or root. The pool is a System V shared memory
// segment under the key of the queue; [Queue.Remove] removes it too. A queue that
// was removed otherwise leaves it behind for the next queue with the key, or for
// [RemoveOrphanedPools]. [Queue.Pool] and [Pools] show who holds what.
//
// If a process was killed in the very microsecond in which it took a message, and
// another receiver interfered, the length of the message may not be certain. The
// method Uncertain() bool of the lease reports this. Without MSG_COPY
// (CONFIG_CHECKPOINT_RESTORE) it happens after each such kill.
//
// The error matches [errors.ErrUnsupported] if the queue is private and so has no
// key for a pool, if another program has a segment under the key, or if the system
// has no shared memory; and fs.ErrPermission if the pool may not be used or
// created.
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
		return nil, q.handle.Fail(op, errors.ErrUnsupported, nil, "leases need shared memory under the key of the queue, and a private queue has no key: open a queue by a key")
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

// noRoom is what a call returns if no more messages can be lent.
const noRoom = sys.ENOSPC

// Lease takes the next message on lease. See [mq.LeaseReceiver].
//
// While the pool has no room for another message, Lease waits until one is
// settled. The error matches [mq.ErrTooLarge] if the next message does not fit
// into the pool, because kernel.msgmax was raised since the pool was created.
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
			// Try again.
		case errno == sys.EINTR && (q.calls.Closed() || ctx.Err() != nil):
			return nil, handle.Waited(q.ended(op, ctx), r.waitedFor(full))
		case errno != sys.EINTR:
			return nil, r.failed(op, errno)
		}
	}
}

// waitedFor says what a lease waited for: a message, or room in the pool.
func (r *leaseReceiver) waitedFor(full bool) string {
	if full {
		return fmt.Sprintf("%d messages are on lease, the maximum", r.pool.Slots())
	}
	return handle.NoMessage(r.q, r.selector)
}

// LeaseBatch takes up to n messages on lease. See [mq.LeaseReceiver].
func (r *leaseReceiver) LeaseBatch(ctx context.Context, n int) ([]mq.Lease, error) {
	if n < 1 {
		return nil, r.q.handle.Fail("lease", mq.ErrInvalidConfig, nil, fmt.Sprintf("a batch of %d messages; the minimum is 1", n))
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
			"the next message is longer than the %d bytes for which the pool was created, when kernel.msgmax was lower: receive it, or remove the pool while nothing is lent (ipcrm -M %v)", r.pool.Room(), r.q.key))
	case sys.ENFILE:
		return r.q.handle.Fail(op, nil, nil, "too many calls wait for leases in all processes together")
	}
	return r.q.errno(op, errno)
}

// judgeEvery is after how many tries one of them looks for dead holders. Calls that
// wait do so too, but a process that always finds a message never waits.
const judgeEvery = 64

// try lends a message if there is one now. It returns EBADF after Close, or if
// the pool can no longer be used.
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
			return nil, errno // the queue is gone, with all its messages
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

// receive makes one msgrcv into a slot, without waiting.
func (r *leaseReceiver) receive(s pool.Slot, room int) (int, sys.Errno) {
	if room <= maxRaw {
		return sys.TryMsgrcv(r.q.id, s.Buffer(), room, r.typ, r.flags)
	}
	return sys.Msgrcv(r.q.id, s.Buffer(), room, r.typ, r.flags|sys.IPC_NOWAIT)
}

// maxLook is how many messages expect looks at: MSG_COPY walks the queue for
// each, from its head.
const maxLook = 8

// expect notes in s the message that receive is likely to take.
func (r *leaseReceiver) expect(s pool.Slot) {
	b := getBuffer(256)
	defer func() { putBuffer(b) }()
	least := int64(0)
	for i := range maxLook {
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

// wait waits for a message and lends it. It returns EINTR if it was interrupted.
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

// join makes the pool nudge the line. It returns false if the handle is closed.
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
// room for 0 bytes, so the only message it can take is an empty one, for which
// it has a slot.
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

// checkPool returns an error if the pool can no longer be used.
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
