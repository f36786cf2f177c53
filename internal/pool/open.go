package pool

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"ipcmq/internal/procfs"
	"ipcmq/internal/sleep"
	"ipcmq/internal/sys"
	"ipcmq/mq"
)

// A Queue identifies the queue of a pool.
type Queue struct {
	ID             int
	Key            uint32
	UID, GID, CUID uint32
	Mode           uint32

	// Exists reports whether there still is a queue with this id and key.
	Exists func() bool
}

// trusts reports whether a user may create the pool: others could read and
// forge its messages.
func (q *Queue) trusts(uid uint32) bool { return uid == q.UID || uid == q.CUID || uid == 0 }

// Distrust returns an error if a segment cannot be the pool because of the user who
// created it.
func (q *Queue) Distrust(id int, maker uint32) *mq.Error {
	if q.trusts(maker) {
		return nil
	}
	return refuse(fs.ErrPermission, nil, "segment %d, which has the key of the queue, was created by user %d, not by the owner or creator of the queue or root: this user could read and forge messages", id, maker)
}

// poolMode gives those who may read the queue the pool, to read and write.
func (q *Queue) poolMode() (mode uint32) {
	for _, class := range []uint32{0o100, 0o010, 0o001} {
		if q.Mode&(4*class) != 0 {
			mode |= 6 * class
		}
	}
	return mode
}

// A Pool is a pool that this process has attached, once for all its handles.
type Pool struct {
	layout
	id      int // of the segment
	queue   int
	segment *sys.Segment
	self    procfs.Process // zero if it is not known
	me      int            // index of this process among the owners
	pattern []byte         // of a whole room

	head, table, words, due, meta []atomic.Uint64
	events, returns, idle, full   *atomic.Uint32

	touched []atomic.Bool         // slots whose pages are mapped here
	nextOne atomic.Int64          // where to look for a free slot first
	buried  [owners]atomic.Uint64 // entries of owners that are dead

	mu      sync.Mutex
	known   [owners]*peer // what is known of the others
	joins   map[any]*join // those that wait
	watched bool          // the watcher runs
	resting bool          // it found nothing to watch
	watch   sleep.Calls   // its own
	ended   sync.WaitGroup

	users int // handles, guarded by pools.mu
}

var pools = struct {
	mu   sync.Mutex
	open map[int]*Pool // by the id of the segment
}{open: map[int]*Pool{}}

// Open attaches the pool of a queue, or creates it, with the given number of
// slots and bytes of room in each. The error has neither Op nor Queue.
func Open(q Queue, slots, room int) (*Pool, *mq.Error) {
	pools.mu.Lock()
	defer pools.mu.Unlock()
	l, ok := layoutOf(slots, room)
	if !ok {
		return nil, refuse(mq.ErrInvalidConfig, nil, "%d slots of %d bytes are more than a pool can have", slots, room)
	}
	id, err := find(q, l)
	if err != nil {
		return nil, err
	}
	if p := pools.open[id]; p != nil {
		p.users++
		return p, nil
	}
	p, err := attach(q, id)
	if err != nil {
		return nil, err
	}
	p.users = 1
	pools.open[id] = p
	return p, nil
}

// Close ends the use of p by one handle, which must have no call in progress.
func (p *Pool) Close() {
	pools.mu.Lock()
	defer pools.mu.Unlock()
	if p.users--; p.users > 0 {
		return
	}
	delete(pools.open, p.id)
	p.watch.Close()
	p.mu.Lock()
	for _, peer := range p.known {
		peer.close()
	}
	p.mu.Unlock()
	p.ended.Wait()
	p.unregister()
	p.segment.Detach()
}

func refuse(kind error, err error, format string, args ...any) *mq.Error {
	return &mq.Error{Kind: kind, Err: err, Detail: fmt.Sprintf(format, args...)}
}

// find returns the id of the segment, which is the pool of q.
func find(q Queue, l layout) (int, *mq.Error) {
	state, id := unfinished, 0
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); {
		var errno sys.Errno
		id, errno := sys.Shmget(q.Key, 0, 0)
		if errno == sys.ENOENT {
			id, errno = create(q, l)
		}
		switch errno {
		case 0:
		case sys.EEXIST:
			continue
		default:
			return 0, creationError(q, l, errno)
		}
		var err *mq.Error
		if state, err = identify(q, id); err != nil {
			return 0, err
		}
		switch state {
		case ready:
			return id, nil
		case stale:
			if !q.Exists() {
				return 0, refuse(mq.ErrRemoved, nil, "")
			}
			if errno := sys.ShmRemove(id); errno == sys.EPERM {
				return 0, refuse(fs.ErrPermission, errno, "the pool of an older queue is in the way, segment %d, and only its owner may remove it: ipcrm -m %d", id, id)
			}
		case unfinished:
			time.Sleep(time.Millisecond)
		}
	}
	if state == unfinished {
		return 0, refuse(nil, nil, "the pool, segment %d, is not finished by the process that creates it", id)
	}
	return 0, refuse(nil, nil, "pools of this queue keep coming and going")
}

// What a segment is.
type state int

const (
	ready      state = iota
	stale            // of a queue that is gone, or left unfinished
	unfinished       // still being created
	vanished         // it no longer exists
)

// identify reads a segment without writing to it.
func identify(q Queue, id int) (state, *mq.Error) {
	st, errno := sys.ShmStat(id)
	switch errno {
	case 0:
	case sys.EINVAL, sys.EIDRM:
		return vanished, nil
	default:
		return 0, refuse(fs.ErrPermission, errno, "a segment, id %d, has the key of the queue, and this user may not read it", id)
	}
	if !MayBe(st.Size) {
		return 0, refuse(errors.ErrUnsupported, nil, "the key has a shared memory segment of another program, id %d, so there can be no pool: give one of them another key", id)
	}
	if err := q.Distrust(id, st.CUID); err != nil {
		return 0, err
	}
	s, errno := sys.ShmAttach(id, true)
	switch errno {
	case 0:
	case sys.EINVAL, sys.EIDRM:
		return vanished, nil
	default:
		return 0, refuse(fs.ErrPermission, errno, "the pool, segment %d, cannot be attached", id)
	}
	defer s.Detach()
	head := s.Words(0, headSize/8)
	switch m := head[headMagic].Load(); {
	case m == 0 && (st.Creator <= 0 || sys.Exists(st.Creator)):
		return unfinished, nil
	case m == 0:
		return stale, nil
	case m != magic:
		return 0, refuse(errors.ErrUnsupported, nil, "the key has a shared memory segment of another program, id %d, so there can be no pool: give one of them another key", id)
	}
	if v := head[headVersion].Load(); v != version {
		return 0, refuse(errors.ErrUnsupported, nil, "the pool, segment %d, has version %d, and this program knows %d: use one version, and remove the pool while nothing is lent: ipcrm -m %d", id, v, version, id)
	}
	if head[headQueue].Load() != uint64(q.ID) || head[headGone].Load() != 0 {
		return stale, nil
	}
	return ready, nil
}

// create makes the segment.
func create(q Queue, l layout) (int, sys.Errno) {
	if !q.trusts(uint32(os.Geteuid())) {
		return 0, sys.EPERM
	}
	id, errno := sys.Shmget(q.Key, l.size, sys.IPC_CREAT|sys.IPC_EXCL|int(q.poolMode()))
	if errno != 0 {
		return 0, errno
	}
	s, errno := sys.ShmAttach(id, false)
	if errno != 0 {
		sys.ShmRemove(id)
		return 0, errno
	}
	defer s.Detach()
	// The owner of the queue also owns the pool; root may be in a user
	// namespace that does not know this user, and then keeps it.
	sys.ShmSet(id, sys.Shmid{UID: q.UID, GID: q.GID, Mode: q.poolMode()})
	head := s.Words(0, headSize/8)
	head[headVersion].Store(version)
	head[headQueue].Store(uint64(q.ID))
	head[headSlots].Store(uint64(l.slots))
	head[headRoom].Store(uint64(l.room))
	var pattern [8]byte
	_, _ = rand.Read(pattern[:]) // never fails
	head[headPattern].Store(binary.NativeEndian.Uint64(pattern[:]))
	words := s.Words(l.words, l.slots)
	for i := range words {
		words[i].Store(uint64(word(0).withLength(l.room)))
	}
	head[headMagic].Store(magic)
	return id, 0
}

func creationError(q Queue, l layout, errno sys.Errno) *mq.Error {
	switch errno {
	case sys.EPERM, sys.EACCES:
		return refuse(fs.ErrPermission, errno, "there is no pool for leases yet, and only the owner and the creator of the queue, users %d and %d, and root may create it: the first to lease must be one of them", q.UID, q.CUID)
	case sys.EINVAL, sys.ENOSPC, sys.ENOMEM:
		return refuse(nil, errno, "a pool of %d bytes cannot be created: see kernel.shmmax, kernel.shmall and kernel.shmmni, or use fewer slots", l.size)
	case sys.ENOSYS:
		return refuse(errors.ErrUnsupported, errno, "this system has no System V shared memory, or a sandbox such as seccomp forbids it")
	}
	return refuse(nil, errno, "a pool cannot be created")
}

// attach maps the pool, which was identified, and enters this process.
func attach(q Queue, id int) (*Pool, *mq.Error) {
	if _, _, err := procfs.BootTime(); err != nil {
		return nil, refuse(errors.ErrUnsupported, err, "the time since the boot, in which leases count, is not known: %v", err)
	}
	s, errno := sys.ShmAttach(id, false)
	if errno != 0 {
		return nil, refuse(fs.ErrPermission, errno, "the pool, segment %d, cannot be attached for writing", id)
	}
	p := &Pool{id: id, queue: q.ID, segment: s, joins: map[any]*join{}, resting: true}
	if !p.lay() {
		s.Detach()
		return nil, p.damaged()
	}
	p.self, _ = procfs.Self(procfs.Root)
	p.events, p.returns = s.Word32(headEvents), s.Word32(headReturns)
	p.idle, p.full = s.Word32(headIdle), s.Word32(headFull)
	p.pattern = make([]byte, roundUp(max(p.room, 8), 8))
	for i := 0; i < len(p.pattern); i += 8 {
		binary.NativeEndian.PutUint64(p.pattern[i:], p.head[headPattern].Load())
	}
	p.touched = make([]atomic.Bool, p.slots)
	if !p.register() {
		s.Detach()
		return nil, refuse(nil, nil, "%d processes use the pool, the maximum", owners)
	}
	return p, nil
}

func (p *Pool) damaged() *mq.Error {
	return refuse(nil, nil, "the pool, segment %d, is damaged: a program has overwritten it; nothing in it can be trusted: ipcrm -m %d", p.id, p.id)
}

// Check returns an error if the queue was removed or the pool is damaged.
func (p *Pool) Check() *mq.Error {
	switch {
	case p.head[headMagic].Load() != magic || p.head[headQueue].Load() != uint64(p.queue):
		return p.damaged()
	case p.head[headGone].Load() != 0:
		return refuse(mq.ErrRemoved, nil, "")
	}
	return nil
}

// Room returns the bytes of payload that a slot has room for.
func (p *Pool) Room() int { return p.room }

// Slots returns how many messages can be lent at once.
func (p *Pool) Slots() int { return p.slots }

// Remove removes the pool of a removed queue, if it has one that this process
// may remove. Processes that use it find that the queue is gone.
func Remove(q Queue) {
	id, errno := sys.Shmget(q.Key, 0, 0)
	if errno != 0 {
		return
	}
	st, errno := sys.ShmStat(id)
	if errno != 0 || !MayBe(st.Size) || !q.trusts(st.CUID) {
		return
	}
	s, errno := sys.ShmAttach(id, false)
	if errno != 0 {
		return
	}
	defer s.Detach()
	head := s.Words(0, headSize/8)
	if head[headMagic].Load() != magic || head[headVersion].Load() != version || head[headQueue].Load() != uint64(q.ID) {
		return
	}
	head[headGone].Store(1)
	s.Word32(headReturns).Add(1)
	s.Word32(headEvents).Add(1)
	sys.FutexWakeAll(s.Word32(headEvents))
	sys.ShmRemove(id)
}
