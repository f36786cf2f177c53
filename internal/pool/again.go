package pool

import (
	"math"
	"sync/atomic"
	"time"

	"ipcmq/mq"
)

// Again lends the first message that s selects and that is due to be lent again:
// given back, run out, or with a dead owner. It returns nil if there is none.
func (p *Pool) Again(s mq.Selector, lasts time.Duration) *Lent {
	for range 100 { // others may be quicker
		i, w := p.first(s)
		if i < 0 {
			return nil
		}
		if l := p.lendAgain(i, w, lasts); l != nil {
			return l
		}
	}
	return nil
}

// used returns the indexes of slots that may be in use.
func (p *Pool) used(yield func(i int) bool) {
	for i := range int(min(p.head[headHigh].Load(), uint64(p.slots))) {
		if !yield(i) {
			return
		}
	}
	for i := range int(min(p.head[headHighWaits].Load(), waits)) {
		if !yield(p.slots + i) {
			return
		}
	}
}

// first returns the slot that Again should lend, with its word, or -1.
func (p *Pool) first(s mq.Selector) (best int, found word) {
	best = -1
	least, sequence := int64(math.MaxInt64), uint64(math.MaxUint64)
	var at clock
	for i := range p.used {
		w := word(p.words[i].Load())
		if !p.again(i, w, &at) {
			continue
		}
		typ := p.typeOf(i, w)
		if !s.Matches(typ) {
			continue
		}
		rank := int64(0)
		if s.Kind() == mq.SelectUpTo {
			rank = typ
		}
		if n := p.metaOf(i)[0].Load(); rank < least || rank == least && n < sequence {
			best, found, least, sequence = i, w, rank, n
		}
	}
	return best, found
}

// again reports whether the message in a slot is due to be lent again.
func (p *Pool) again(i int, w word, at *clock) bool {
	state := w.state()
	if state == free {
		return false
	}
	due := p.due[i].Load()
	switch {
	case state == returned:
		return due <= at.now()
	case state > returned, // garbage
		(state == claimed || state == taking && p.typeOf(i, w) == 0) && p.dead(w.owner()):
		p.words[i].CompareAndSwap(uint64(w), uint64(w.withState(free).withLength(p.room)))
		return false
	case state == claimed || state == taking && p.typeOf(i, w) == 0:
		return false
	case p.dead(w.owner()):
		return true
	case due == 0:
		// The owner is about to set the time of the lease, or is stopped, or
		// it is not known whether it has died: give it the grace time.
		p.due[i].CompareAndSwap(0, at.now()+uint64(grace.Load()))
		return false
	}
	return due <= at.now()
}

// grace is how long a taken message may be without a time, which normally takes
// microseconds, while its owner is not known to be dead.
var grace atomic.Int64

func init() { SetGrace(30 * time.Second) }

// SetGrace is for tests.
func SetGrace(d time.Duration) { grace.Store(int64(d)) }

// lendAgain lends the message in a slot to this process, if its word is still
// w.
func (p *Pool) lendAgain(i int, w word, lasts time.Duration) *Lent {
	next := w.withState(lent).withOwner(p.me)
	if w.state() == taking {
		n, certain := p.lengthOf(i)
		next = next.withLength(n)
		if !certain {
			next |= unsure
		}
	} else {
		next = next.next()
	}
	if !p.words[i].CompareAndSwap(uint64(w), uint64(next)) {
		return nil
	}
	Step("taken over")
	return p.hold(i, next, lasts)
}
