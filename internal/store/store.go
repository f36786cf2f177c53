package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"ipcmq/internal/sleep"
	"ipcmq/internal/sys"
	"ipcmq/mq"
)

// A Store is a store that this process has created, to send from.
type Store struct {
	view
	data int // where payloads begin

	calls sleep.Calls  // that wait for room
	fault atomic.Int64 // nanoseconds that the first use of a page takes on both sides

	mu     sync.Mutex
	space  space
	blocks [ownEntries]*Block
	last   int // entry that was used last
	closed bool
	left   bool
	ended  bool // nothing is attached
	inUse  int  // blocks whose ticket is being sent
}

// A Block is a payload in a store.
type Block struct {
	s      *Store
	entry  int
	number uint64
	at     int // in the space
	fresh  bool
	done   bool
}

// Make creates a store for payloads of size bytes in total, for the given
// readers. The error has neither Op nor Queue.
func Make(readers Readers, size int) (*Store, *mq.Error) {
	collectAtTimes() // payloads left by others take room
	data := dataAt(ownEntries)
	size = roundUp(size, page)
	v, err := create(readers, ownEntries, data+size+tail)
	if err != nil && (errors.Is(err, sys.ENOSPC) || errors.Is(err, sys.ENOMEM)) {
		Collect()
		v, err = create(readers, ownEntries, data+size+tail)
	}
	if err != nil {
		return nil, err
	}
	return &Store{view: v, data: data, space: space{size: size}}, nil
}

// create creates the segment, of a size that a store can have.
func create(readers Readers, entries, size int) (view, *mq.Error) {
	id, errno := sys.Shmget(0, size, sys.IPC_CREAT|sys.IPC_EXCL|0o600)
	if errno != 0 {
		return view{}, creationError(size, errno)
	}
	Step("made")
	s, errno := sys.ShmAttach(id, false)
	if errno != 0 {
		sys.ShmRemove(id)
		return view{}, creationError(size, errno)
	}
	// This user may still use the segment, as its creator.
	if errno := sys.ShmSet(id, sys.Shmid{UID: readers.UID, GID: readers.GID, Mode: readers.Mode}); errno != 0 && !readers.onlySelf() {
		s.Detach()
		sys.ShmRemove(id)
		return view{}, creationError(size, errno)
	}
	v := view{id: id, segment: s, head: s.Words(0, headSize/8), count: entries}
	v.entries = s.Words(headSize, entries*entrySize)
	v.enter()
	v.head[headVersion].Store(version)
	v.head[headEntries].Store(uint64(entries))
	Step("entered")
	v.head[headMagic].Store(magic)
	Step("ready")
	return v, nil
}

// recheck is how often waiting calls check for room themselves, since the
// process that should wake them may be killed just before.
const recheck = time.Second

// Put copies a payload into the store, whose ticket will be sent to a queue. If
// there is no room it returns EAGAIN, or waits. Waiting ends with EINTR when ctx
// has ended or Stop was called, with EIDRM when the queue is gone, and with
// [sleep.NoThread].
func (s *Store) Put(ctx context.Context, data []byte, queue int, wait bool) (*Block, sys.Errno) {
	b, errno := s.take(len(data), !wait)
	if errno == sys.EAGAIN && wait {
		errno = s.calls.Sleep(ctx, sleep.Line{Send: true}, len(data), func(*sys.Deadline) (errno sys.Errno) {
			b, errno = s.await(len(data), queue)
			return errno
		})
	}
	if errno != 0 {
		return nil, errno
	}
	Step("taken")
	at := s.data + b.at
	if b.fresh {
		s.fill(at, data)
	} else {
		copy(s.segment.Bytes(at, len(data)), data)
	}
	Step("copied in")
	e := s.view.entry(b.entry)
	e[entryQueue].Store(uint64(queue))
	e[entryOffset].Store(uint64(at))
	e[entryLength].Store(uint64(len(data)))
	e[entryMissing].Store(0)
	e[entryWord].Store(uint64(wordOf(b.number, sending)))
	Step("stored")
	return b, 0
}

// take takes room for n bytes, anywhere or preferably in used pages. It returns
// EAGAIN if there is none.
func (s *Store) take(n int, anywhere bool) (*Block, sys.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, sys.EINTR
	}
	s.sweep()
	entry, ok := s.freeEntry()
	if !ok {
		return nil, sys.EAGAIN
	}
	limit := s.space.size
	if !anywhere {
		limit = s.space.warm(n)
	}
	at, fresh, ok := s.space.take(n, limit)
	if !ok {
		return nil, sys.EAGAIN
	}
	b := &Block{s: s, entry: entry, number: rand.Uint64() >> stateBits, at: at, fresh: fresh}
	s.blocks[entry], s.last = b, entry
	s.inUse++
	return b, 0
}

// freeEntry returns an entry that has no block.
func (s *Store) freeEntry() (int, bool) {
	for i := range ownEntries {
		if i = (s.last + i) % ownEntries; s.blocks[i] == nil {
			return i, true
		}
	}
	return 0, false
}

// sweep gives back what receivers have freed.
func (s *Store) sweep() {
	for i, b := range s.blocks {
		if b != nil && b.done && !s.has(b) {
			s.blocks[i] = nil
			s.space.give(b.at)
		}
	}
}

// has reports whether the payload is still there.
func (s *Store) has(b *Block) bool {
	w := word(s.view.entry(b.entry)[entryWord].Load())
	return w.used() && w.number() == b.number
}

// A sender that is ahead waits for pages that were used before, and are in caches, as
// long as the first use of other pages would take: at worst everything takes twice as
// long, once for each page. What it costs depends on the machine, from less than a
// microsecond to some 20 in a virtual one.
const (
	leastFault = time.Microsecond
	mostFault  = 50 * time.Microsecond
)

// fill copies to pages that were not used before, and measures what that takes.
func (s *Store) fill(at int, data []byte) {
	begun := time.Now()
	s.segment.Populate(at, len(data), true)
	copy(s.segment.Bytes(at, len(data)), data)
	each := 2 * time.Since(begun) / time.Duration(len(data)/page+1) // on either side
	s.fault.Store(int64(min(max(each, leastFault), mostFault)))
}

// await is take that blocks the thread until there is room, or a signal comes.
func (s *Store) await(n, queue int) (*Block, sys.Errno) {
	begun := time.Now()
	warm, collect := begun.Add(time.Duration(n/page+1)*time.Duration(s.fault.Load())), begun.Add(recheck)
	for {
		seen := s.freed().Load()
		s.waits().Store(1)
		now := time.Now()
		b, errno := s.take(n, now.After(warm))
		if errno != sys.EAGAIN {
			return b, errno
		}
		if gone(queue) {
			return nil, sys.EIDRM
		}
		if now.After(collect) { // also while others are freed all the time
			newLook().collect(&s.view, false)
			collect = now.Add(recheck)
			continue
		}
		until := collect
		if now.Before(warm) && warm.Before(until) {
			until = warm
		}
		if sys.FutexWait(s.freed(), seen, max(until.Sub(now), time.Microsecond)) == sys.EINTR {
			return nil, sys.EINTR
		}
	}
}

// Ticket returns the ticket to send to the queue.
func (b *Block) Ticket() Ticket {
	return Ticket{segment: b.s.id, entry: b.entry, number: b.number,
		length: b.s.view.entry(b.entry)[entryLength].Load()}
}

// Sent records that the ticket was sent. Its receiver frees the block.
func (b *Block) Sent() {
	Step("sent")
	b.s.view.entry(b.entry)[entryWord].CompareAndSwap(uint64(wordOf(b.number, sending)), uint64(wordOf(b.number, sent)))
	Step("noted")
	b.finish()
}

// Drop frees the block: the ticket was not sent.
func (b *Block) Drop() {
	b.s.view.release(b.entry, b.number)
	b.finish()
}

func (b *Block) finish() {
	s := b.s
	s.mu.Lock()
	b.done = true
	s.inUse--
	end := s.left && s.inUse == 0
	s.mu.Unlock()
	if end {
		s.end()
	}
}

// Stop ends calls that wait for room; later ones end immediately.
func (s *Store) Stop() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.calls.Close()
}

// Leave gives up the store, after Stop, once no ticket is being sent any more. Its
// payloads stay for the receivers of the tickets, and the last of them removes it.
func (s *Store) Leave() {
	s.mu.Lock()
	end := s.inUse == 0 && !s.left
	s.left = true
	s.mu.Unlock()
	if end {
		s.end()
	}
}

func (s *Store) end() {
	s.head[headLeft].Store(1)
	Step("left")
	if !s.empty() {
		newLook().collect(&s.view, true)
	}
	if s.empty() {
		s.remove()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.segment.Detach()
}

// Look makes calls that wait for room look again.
func (s *Store) Look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.freed().Add(1)
		sys.FutexWakeAll(s.freed())
	}
}
