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
	headPID              // of the sender; 0 if it could not find out
	headStart            // in ticks since the boot
	headPIDSpace         // the namespaces of these numbers
	headTimeSpace        //
	headLeft             // 1: the sender has given it up
	headGone             // 1: it was removed

	// Byte offsets of words of 32 bits, in a cache line of their own.
	headFreed = 128 // counts frees since the sender began to wait, which sleeps on it
	headWaits = 132 // 1: the sender waits for room

	headSize = 4096
)

// Words of an entry.
const (
	entryWord    = iota // state and number, see word; 0 is free
	entryQueue          // id of the queue in which the ticket is
	entryOffset         // of the payload, in bytes
	entryLength         // in bytes
	entryMissing        // since when the ticket has not been seen, in CLOCK_BOOTTIME; 0 if it was seen

	entrySize = 8 // words, a cache line
)

const (
	// maxEntries limits the number of entries that a store can claim to
	// have.
	maxEntries = 4096

	// ownEntries is how many payloads a store of this program holds at once.
	ownEntries = 1024

	page = 4096

	// tail is the size of a store modulo a page, which distinguishes it from most
	// other segments.
	tail = 1723
)

// A word is the state of an entry. Its number is random, and different each
// time.
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

// look makes a view of an attached segment. It reports whether it is a store.
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

// release frees an entry, unless it belongs to another payload by now.
func (v *view) release(i int, number uint64) bool {
	w := &v.entry(i)[entryWord]
	for range 10 { // the sender may change the state once
		now := word(w.Load())
		if !now.used() || now.number() != number {
			return false
		}
		if w.CompareAndSwap(uint64(now), free) {
			Step("freed")
			v.notify()
			return true
		}
	}
	return false
}

// notify wakes the sender if it waits for room.
func (v *view) notify() {
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
