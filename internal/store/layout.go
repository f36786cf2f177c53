package store

import (
	"encoding/binary"
	"math"
	"sync/atomic"

	"ipcmq/internal/sys"
)

// version changes with the layout; a program uses stores of its own version only.
const version = 1

var magic = binary.NativeEndian.Uint64([]byte("ipcqlarg"))

// Words of the header.
const (
	headMagic     = iota // written last
	headVersion          //
	headEntries          // how many; what follows them are payloads
	headPID              // of the sender; 0 if it could not know
	headStart            // in ticks since the boot
	headPIDSpace         // the namespaces in which these are meant
	headTimeSpace        //
	headLeft             // 1: the sender has given it up
	headGone             // 1: it was removed

	// Byte offsets of words of 32 bits, in a cache line of their own.
	headFreed = 128 // counts what was freed since somebody waited; who does sleeps on it
	headWaits = 132 // 1: the sender waits for room

	headSize = 4096
)

// Words of an entry.
const (
	entryWord    = iota // state and number, see word; 0 is free
	entryQueue          // id of the queue in which the ticket is
	entryOffset         // of the payload, in bytes
	entryLength         // in bytes
	entryMissing        // since when nobody has seen the ticket, in CLOCK_BOOTTIME; 0 if not so

	entrySize = 8 // words, a cache line
)

const (
	// maxEntries bounds what a store can say of itself.
	maxEntries = 4096

	// ownEntries is how many payloads are in a store of this program at once.
	ownEntries = 1024

	page = 4096

	// tail is what the size of a store leaves when divided by a page, which tells it
	// from most segments of others.
	tail = 1723
)

// A word is what decides about an entry. Its number is random, and another one
// each time.
type word uint64

// States of an entry; others are garbage.
const (
	free    = 0
	sending = 1 // the ticket is not in the queue yet, or its sender does not know it yet
	sent    = 2

	stateBits = 2
)

func wordOf(number uint64, state word) word { return word(number)<<stateBits | state }
func (w word) state() word                  { return w & (1<<stateBits - 1) }
func (w word) number() uint64               { return uint64(w >> stateBits) }

// used reports whether a payload is there.
func (w word) used() bool { return w.state() == sending || w.state() == sent }

// dataAt returns where payloads begin.
func dataAt(entries int) int { return roundUp(headSize+entries*entrySize*8, page) }

func roundUp(n, to int) int { return (n + to - 1) / to * to }

// mayBe reports whether a segment of some size may be a store.
func mayBe(size int64) bool { return size > headSize && size%page == tail && size <= math.MaxInt }

// A view is a store that is attached.
type view struct {
	id      int
	segment *sys.Segment
	head    []atomic.Uint64
	entries []atomic.Uint64
	count   int // of entries
}

// look makes a view of what is attached. It reports whether that is a store.
func look(id int, s *sys.Segment) (v view, ok bool) {
	if !mayBe(int64(s.Size())) {
		return v, false
	}
	v = view{id: id, segment: s, head: s.Words(0, headSize/8)}
	n := v.head[headEntries].Load()
	if v.head[headMagic].Load() != magic || v.head[headVersion].Load() != version || n < 1 || n > maxEntries {
		return v, false
	}
	v.count = int(n)
	if dataAt(v.count) > s.Size() {
		return v, false
	}
	v.entries = s.Words(headSize, v.count*entrySize)
	return v, true
}

func (v *view) entry(i int) *[entrySize]atomic.Uint64 {
	return (*[entrySize]atomic.Uint64)(v.entries[i*entrySize:])
}

func (v *view) freed() *atomic.Uint32 { return v.segment.Word32(headFreed) }
func (v *view) waits() *atomic.Uint32 { return v.segment.Word32(headWaits) }

// empty reports whether no payload is in the store.
func (v *view) empty() bool {
	for i := range v.count {
		if word(v.entry(i)[entryWord].Load()).used() {
			return false
		}
	}
	return true
}

// release frees an entry, unless it is another payload's by now.
func (v *view) release(i int, number uint64) bool {
	w := &v.entry(i)[entryWord]
	for range 10 { // the sender may change the state once
		now := word(w.Load())
		if !now.used() || now.number() != number {
			return false
		}
		if w.CompareAndSwap(uint64(now), free) {
			Step("freed")
			v.tell()
			return true
		}
	}
	return false
}

// tell wakes the sender if it waits for room.
func (v *view) tell() {
	if v.waits().Load() != 0 {
		v.waits().Store(0)
		v.freed().Add(1)
		sys.FutexWakeAll(v.freed())
	}
}

// remove removes the store.
func (v *view) remove() {
	v.head[headGone].Store(1)
	sys.ShmRemove(v.id)
}

// Step is called wherever a process may be killed or stopped; for tests.
var Step = func(string) {}
