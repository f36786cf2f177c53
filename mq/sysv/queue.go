package sysv

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"sync/atomic"

	"ipcmq/internal/handle"
	"ipcmq/internal/sleep"
	"ipcmq/internal/store"
	"ipcmq/internal/sys"
	"ipcmq/mq"
)

// A Queue is a handle on a System V message queue. Its methods may be called by
// several goroutines at once.
type Queue struct {
	receiver // of any type

	id        int
	key       Key
	handle    handle.Handle
	created   bool
	truncate  int
	inboxMode fs.FileMode
	inboxKeys bool
	reserved  int // bytes of the capacity that payloads cannot use

	// size is for how many bytes of payload a receive makes room. It begins
	// with kernel.msgmax and grows when a message turns out to be longer.
	size atomic.Int64

	// Buffers for the next receive and the next send, nil while they are in use.
	// Goroutines that find none take others from a pool.
	receiving, sending atomic.Pointer[[]byte]

	calls sleep.Calls // those blocked in the kernel

	leases leases

	errFull, errEmpty *mq.Error // made once: Try calls may be made in a loop
}

// Open opens the queue with the given key, or creates it if there is none, so peers
// may start in any order. A nil cfg means the defaults; see [Config].
//
// With the key [Private], Open always creates a queue.
//
// If Open fails, no queue was created, except that one with another Capacity may be
// left if kernel.msgmnb is lowered at that very moment. The error matches
// fs.ErrExist, fs.ErrNotExist or fs.ErrPermission, [mq.ErrInvalidConfig] if cfg is
// contradictory or out of range, and ENOSPC if there are kernel.msgmni queues
// already.
//
// See msgget(2).
func Open(key Key, cfg *Config) (*Queue, error) {
	name := "key " + key.String()
	if key == Private {
		name = "private queue"
	}
	c, err := cfg.check(name)
	if err != nil {
		return nil, err
	}
	if key == Private && c.OpenOnly {
		return nil, &mq.Error{Op: "open", Queue: name, Kind: mq.ErrInvalidConfig,
			Detail: "OpenOnly: a private queue has no key to open it by; use OpenID"}
	}
	id, created, err := get(key, name, c)
	if err != nil {
		return nil, err
	}
	q := newQueue(id, fmt.Sprintf("%s (id %d)", name, id), created, c)
	q.key = key
	if created {
		err = q.setCapacity(c.Capacity)
	} else if len(c.Owners) > 0 {
		ds, errno := q.statAnyhow()
		if errno != 0 {
			return nil, q.errno("open", errno)
		}
		err = q.checkOwners(c.Owners, ds)
	}
	if err != nil {
		return nil, err
	}
	return q, nil
}

// get opens or creates. It makes two calls instead of one with IPC_CREAT alone,
// to check other permissions than a new queue is given, and to know whether the
// queue is new.
func get(key Key, name string, c Config) (id int, created bool, err error) {
	errno := sys.Errno(0)
	for range 100 { // while others create and remove the queue between the two
		if key != Private && !c.Exclusive {
			id, errno = sys.Msgget(uint32(key), accessBits(c.Access))
			if errno != sys.ENOENT || c.OpenOnly {
				break
			}
		}
		if err := tryCapacity(name, c); err != nil {
			return 0, false, err
		}
		id, errno = sys.Msgget(uint32(key), sys.IPC_CREAT|sys.IPC_EXCL|int(c.Mode))
		if errno != sys.EEXIST || c.Exclusive {
			created = errno == 0
			break
		}
	}
	if errno != 0 {
		return 0, false, openError(name, errno, c)
	}
	return id, created, nil
}

// tryCapacity returns an error unless this process may give a new queue the
// capacity in c. It tries that on a queue that nobody else can use: once the
// queue with the key exists, others may have sent to it, and it can no longer
// be removed.
func tryCapacity(name string, c Config) error {
	if now, err := SystemLimits(); c.Capacity == 0 || err == nil && c.Capacity <= now.DefaultCapacity {
		return nil // every process may
	}
	id, errno := sys.Msgget(uint32(Private), sys.IPC_CREAT|sys.IPC_EXCL|int(c.Mode&0o600))
	if errno != 0 {
		return openError(name, errno, c)
	}
	defer sys.MsgRemove(id)
	return newQueue(id, name, true, c).setCapacity(c.Capacity)
}

// setCapacity gives a queue that Open has created its capacity.
func (q *Queue) setCapacity(capacity int) error {
	if capacity == 0 {
		return nil
	}
	err := q.Set(func(s *Settings) { s.Capacity = int64(capacity) })
	var e *mq.Error
	if errors.As(err, &e) {
		e.Op = "open"
	}
	return err
}

// OpenID opens the queue with the given id, as [Queue.ID] and ipcs(1) show it. An
// id is not reused immediately, but may be after the system has created many more
// queues. Mode, Exclusive and Capacity of cfg do not apply and must be zero.
//
// The error matches fs.ErrNotExist if there is no such queue, and
// fs.ErrPermission if it may not be used. Write permission alone cannot be
// checked here; without it the first send fails.
func OpenID(id int, cfg *Config) (*Queue, error) {
	name := fmt.Sprintf("id %d", id)
	c, err := cfg.check(name)
	if err != nil {
		return nil, err
	}
	if cfg != nil && (cfg.Mode != 0 || cfg.Exclusive || cfg.Capacity != 0) {
		return nil, &mq.Error{Op: "open", Queue: name, Kind: mq.ErrInvalidConfig,
			Detail: "Mode, Exclusive and Capacity are for creating a queue; by its id it is opened only"}
	}
	if id < 0 || id > math.MaxInt32 { // the kernel would drop the upper bits
		return nil, &mq.Error{Op: "open", Queue: name, Kind: fs.ErrNotExist, Detail: "no queue has this id; ids are 0 to 2147483647"}
	}
	ds, errno := sys.MsgStat(id)
	if errno == sys.EACCES && !c.Access.CanReceive() {
		ds, errno = statAny(id)
		if errno == sys.EINVAL && len(c.Owners) == 0 {
			errno = 0 // an old kernel; the queue exists: otherwise the error would not be EACCES
		}
	}
	if errno != 0 {
		return nil, openError(name, errno, c)
	}
	if ds.Key != 0 {
		name = fmt.Sprintf("key %v (id %d)", Key(ds.Key), id)
	}
	q := newQueue(id, name, false, c)
	q.key = Key(ds.Key)
	if err := q.checkOwners(c.Owners, ds); err != nil {
		return nil, err
	}
	return q, nil
}

func newQueue(id int, name string, created bool, c Config) *Queue {
	q := &Queue{id: id, handle: handle.Handle{Name: name, Access: c.Access}, created: created, truncate: c.Truncate, inboxMode: c.InboxMode, inboxKeys: c.InboxKeys,
		leases: leases{lasts: c.Lease, most: c.MaxLeases}}
	q.receiver = receiver{q: q}
	q.errFull = q.handle.Fail("send", mq.ErrFull, sys.EAGAIN, "")
	if c.Access.CanReceive() {
		q.size.Store(initialSize())
		q.errEmpty = q.handle.Fail("receive", mq.ErrEmpty, sys.ENOMSG, "")
	}
	return q
}

// ID returns the id by which the kernel knows the queue; 0 is a valid one.
// Other processes can open the queue with it, also one with key [Private].
func (q *Queue) ID() int { return q.id }

// Created reports whether opening this handle created the queue.
func (q *Queue) Created() bool { return q.created }

// String returns the key and the id, such as "key 0x0000002a (id 7)" or
// "private queue (id 7)".
func (q *Queue) String() string { return q.handle.Name }

// Close unblocks every call that is blocked on this handle and waits until they
// have returned; they and all later calls fail with [mq.ErrClosed]. The queue and
// its messages stay in the kernel; see [Queue.Remove]. Leases last until their
// time is over. Close always returns nil and may be called more than once.
func (q *Queue) Close() error {
	q.calls.Close()
	q.leases.close()
	// A server opens an inbox for each reply: the next one reuses its buffer.
	for _, place := range []*atomic.Pointer[[]byte]{&q.receiving, &q.sending} {
		if b := place.Swap(nil); b != nil {
			putBuffer(b)
		}
	}
	return nil
}

// Remove removes the queue from the kernel with all its messages, also those on lease: calls that
// are blocked on it, here and in other processes, end with [mq.ErrRemoved]. The caller must be the
// owner or the creator of the queue, or root. The handle must still be closed.
//
// See msgctl(2), IPC_RMID.
func (q *Queue) Remove() error {
	if err := q.usable("remove", true); err != nil {
		return err
	}
	ds, _ := q.statAnyhow()
	if errno := sys.MsgRemove(q.id); errno != 0 {
		return q.errno("remove", errno)
	}
	q.removePool(ds)
	store.Collect() // its large payloads
	return nil
}

// Capabilities returns what System V queues can do; MaxPayload is the smaller
// of kernel.msgmax and the capacity of the queue.
func (q *Queue) Capabilities() mq.Capabilities {
	limit := 0
	if info, errno := sys.MsgLimits(); errno == 0 {
		limit = int(info.Max)
		if ds, errno := q.statAnyhow(); errno == 0 {
			limit = max(0, int(min(uint64(limit), ds.Qbytes))-q.reserved)
		}
	}
	return mq.Capabilities{
		MaxType:     sys.MaxType,
		MaxPayload:  limit,
		Selectors:   []mq.SelectorKind{mq.SelectAny, mq.SelectType, mq.SelectUpTo, mq.SelectExcept},
		SeesRemoval: true, SeesLeaseOver: true, LentLeavesRoom: true,
	}
}

// checkOwners returns an error unless the owner and the creator are trusted.
func (q *Queue) checkOwners(trusted []int, ds sys.Msqid) error {
	return q.handle.CheckOwners(trusted, handle.Owner{Role: "owner", UID: ds.UID}, handle.Owner{Role: "creator", UID: ds.CUID})
}

// usable returns an error if q was closed or lacks the access.
func (q *Queue) usable(op string, allowed bool) error {
	return q.handle.Usable(op, allowed, q.calls.Closed())
}
