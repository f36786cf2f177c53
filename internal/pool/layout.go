package pool

import (
	"encoding/binary"
	"math"
)

// version changes with the layout; a program uses pools of its own version only.
const version = 1

var magic = binary.NativeEndian.Uint64([]byte("ipcqpool"))

// Words of the header.
const (
	headMagic     = iota // written last
	headVersion          //
	headQueue            // id of the queue
	headSlots            // how many
	headRoom             // bytes of payload in each
	headPattern          // what the room of a free slot is filled with
	headSequence         // last number given to a message
	headGone             // 1: the queue was removed
	headHigh             // 1 more than the highest slot with room that was in use
	headHighWaits        // the same for slots without room

	// Byte offsets of words of 32 bits, in cache lines of their own.
	headEvents  = 128 // counts events for watchers, which sleep on it
	headReturns = 132 // counts those that concern waiting calls
	headIdle    = 192 // 1: a watcher must be woken when a message is lent
	headFull    = 256 // 1: a process must be woken when a slot is free

	headSize = 4096
)

const (
	owners    = 512 // processes at once
	ownerSize = 4   // words: who, start, time namespace, none

	metaSize = 4 // words: sequence, base, hint, when the lease began

	// waits are slots without room: a process that waits has one, since a
	// message without payload is taken by the call that waits.
	waits = 1024

	// MaxSlots and MaxRoom limit the geometry.
	MaxSlots = 1 << 16
	MaxRoom  = 1<<lengthBits - 1

	// tail is the size of a pool modulo a page, which distinguishes it from
	// most other segments.
	tail = 1719
	page = 4096
)

// A layout says where things are. Offsets are in bytes.
type layout struct {
	slots, room                       int // slots with room, and how much
	owners, words, due, meta, empties int
	slot, stride                      int // the first slot's type, and the way to the next
	size                              int
}

// layoutOf returns the layout for slots with room for the given number of bytes,
// or false if there is none.
func layoutOf(slots, room int) (layout, bool) {
	if slots < 1 || slots > MaxSlots || room < 0 || room > MaxRoom ||
		int64(slots)*int64(roundUp(8+room, 64)) > math.MaxInt/2 {
		return layout{}, false
	}
	l := layout{slots: slots, room: room, owners: headSize}
	n := slots + waits
	l.words = l.owners + owners*ownerSize*8
	l.due = l.words + n*8
	l.meta = l.due + n*8
	l.empties = l.meta + n*metaSize*8
	l.slot = roundUp(l.empties+waits*8, page)
	l.stride = roundUp(8+room, 64)
	l.size = roundUp(l.slot+slots*l.stride, page) + tail
	return l, true
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }

// MayBe reports whether a segment of some size may be a pool.
func MayBe(size int64) bool { return size > headSize && size%page == tail }
