package pool

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	"ipcmq/internal/sys"
)

type (
	ownerWords = [3]atomic.Uint64
	metaWords  = [metaSize]atomic.Uint64
)

// Step is called wherever a process may be killed or stopped; for tests.
var Step = func(string) {}

// A Slot is one that this process has claimed, to take a message into.
type Slot struct {
	p *Pool
	i int
	w word
}

// Claim returns a free slot, or false if there is none.
func (p *Pool) Claim() (Slot, bool) {
	first := int(p.nextOne.Load()) % p.slots
	for n := range p.slots {
		i := first + n
		if i >= p.slots {
			i -= p.slots
		}
		if s, ok := p.claim(i); ok {
			return s, true
		}
	}
	return Slot{}, false
}

// ClaimEmpty returns a free slot without room, to wait with.
func (p *Pool) ClaimEmpty() (Slot, bool) {
	for i := range waits {
		if s, ok := p.claim(p.slots + i); ok {
			return s, true
		}
	}
	return Slot{}, false
}

func (p *Pool) claim(i int) (Slot, bool) {
	was := word(p.words[i].Load())
	if was.state() != free {
		return Slot{}, false
	}
	w := (was.next().withState(claimed).withOwner(p.me)) &^ (narrow | unsure)
	p.raise(i)
	if !p.words[i].CompareAndSwap(uint64(was), uint64(w)) {
		return Slot{}, false
	}
	Step("claimed")
	p.due[i].Store(0)
	m := p.metaOf(i)
	m[0].Store(p.head[headSequence].Add(1))
	m[1].Store(uint64(was.generation()))
	m[2].Store(0)
	m[3].Store(0)
	b := p.bytes(i)
	copy(b[8:], p.pattern[:min(was.length(), len(b)-8)])
	if i < p.slots && !p.touched[i].Swap(true) {
		// A page that is missing when the kernel copies would cost a process
		// that is being killed the message.
		for at := 8; at < len(b); at += page {
			b[at] = p.pattern[at%8]
		}
		b[len(b)-1] = p.pattern[(len(b)-9)%8]
	}
	binary.NativeEndian.PutUint64(b, 0)
	Step("cleared")
	next := w.withState(taking).withLength(0)
	if sys.TypeSize == 4 {
		next |= narrow
	}
	if !p.words[i].CompareAndSwap(uint64(w), uint64(next)) {
		return Slot{}, false // it was overwritten
	}
	Step("taking")
	return Slot{p, i, next}, true
}

// raise notes that the slot i may be in use.
func (p *Pool) raise(i int) {
	high := &p.head[headHigh]
	if i >= p.slots {
		high, i = &p.head[headHighWaits], i-p.slots
	}
	for range 1000 {
		if n := high.Load(); n > uint64(i) || high.CompareAndSwap(n, uint64(i)+1) {
			return
		}
	}
}

// metaOf returns the sequence, the base and the hint of a slot, and when its lease
// began; 0 is not known.
func (p *Pool) metaOf(i int) *metaWords {
	return (*metaWords)(p.meta[i*metaSize : (i+1)*metaSize])
}

// bytes returns the memory of a slot: 8 for the type, and its room.
func (p *Pool) bytes(i int) []byte {
	if i >= p.slots {
		return p.segment.Bytes(p.empties+(i-p.slots)*8, 8)
	}
	return p.segment.Bytes(p.slot+i*p.stride, 8+p.room)
}

// Buffer returns where msgrcv must write the message: the type, then the
// payload.
func (s Slot) Buffer() []byte { return s.p.bytes(s.i)[8-sys.TypeSize:] }

// Room returns the bytes of payload that the slot has room for.
func (s Slot) Room() int { return len(s.p.bytes(s.i)) - 8 }

// hintKnown is set in a hint; a slot without room needs none.
const hintKnown = 1 << 63

// Expect notes the payload of the message that is likely to be taken.
func (s Slot) Expect(payload []byte) {
	n := min(len(payload), s.Room())
	end := n
	for end > 0 && payload[end-1] == s.p.pattern[(end-1)%8] {
		end--
	}
	s.p.metaOf(s.i)[2].Store(hintKnown | uint64(n)<<32 | uint64(end))
	Step("expected")
}

// Release gives up a slot into which nothing was taken.
func (s Slot) Release() {
	s.p.words[s.i].CompareAndSwap(uint64(s.w), uint64(s.w.withState(free)))
}

// Taken records that msgrcv has taken a message of n bytes into the slot, and
// lends it. It returns nil if another process has the message by now: this one
// must have been stopped for a long time.
func (s Slot) Taken(n int, lasts time.Duration) *Lent {
	Step("taken")
	p := s.p
	w := s.w.withState(lent).withLength(n)
	if !p.words[s.i].CompareAndSwap(uint64(s.w), uint64(w)) {
		return nil
	}
	Step("lent")
	l := p.hold(s.i, w, lasts)
	if p.idle.Load() != 0 || lasts < recheck {
		p.idle.Store(0)
		p.notify(false)
	}
	return l
}

// typeOf returns the type of the message in a slot, 0 if there is none.
func (p *Pool) typeOf(i int, w word) int64 {
	b := p.bytes(i)
	if w&narrow != 0 {
		return int64(int32(binary.NativeEndian.Uint32(b[4:])))
	}
	return int64(binary.NativeEndian.Uint64(b))
}

// lengthOf finds out the length of a message whose taker was killed before it
// could store it.
func (p *Pool) lengthOf(i int) (n int, certain bool) {
	payload := p.bytes(i)[8:]
	for n = len(payload); n > 0 && payload[n-1] == p.pattern[(n-1)%8]; n-- {
	}
	if len(payload) == 0 {
		return 0, true
	}
	hint := p.metaOf(i)[2].Load()
	expected, end := int(hint>>32&(1<<31-1)), int(hint&(1<<32-1))
	if hint&hintKnown != 0 && n == end && expected <= len(payload) && expected >= n {
		return expected, true
	}
	return n, false
}
