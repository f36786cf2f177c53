package pool

import (
	"sync"
	"time"
)

// A Lent is a message that this process has on lease.
type Lent struct {
	Type     int64
	Data     []byte
	Sequence uint64
	Attempt  int
	Unsure   bool // the length is not certain: its first taker was killed in the act

	p *Pool
	i int
	w word

	mu  sync.Mutex
	due uint64
}

// hold starts the time of a lease that this process has, and returns it with a
// copy of the message, or nil if it was lost meanwhile.
func (p *Pool) hold(i int, w word, lasts time.Duration) *Lent {
	l := &Lent{p: p, i: i, w: w}
	m := p.metaOf(i)
	before := m[3].Load()
	for range 1000 {
		due := p.due[i].Load()
		l.due = now() + uint64(lasts)
		if word(p.words[i].Load()) != w {
			return nil
		}
		if p.due[i].CompareAndSwap(due, l.due) {
			break
		}
	}
	m[3].CompareAndSwap(before, l.due-uint64(lasts)) // for those who look; not over that of the next holder
	Step("held")
	b := p.bytes(i)
	n := min(w.length(), len(b)-8)
	l.Type, l.Sequence, l.Attempt, l.Unsure = p.typeOf(i, w), m[0].Load(), w.since(int(m[1].Load())), w&unsure != 0
	l.Data = append(make([]byte, 0, n), b[8:8+n]...)
	if word(p.words[i].Load()) != w {
		return nil
	}
	return l
}

// Left returns how much of the lease is left.
func (l *Lent) Left() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Duration(int64(l.due - now()))
}

// Ack frees the slot. It reports whether the lease lasted until now, or was at
// least not given to another yet.
func (l *Lent) Ack() bool {
	p := l.p
	if !p.words[l.i].CompareAndSwap(uint64(l.w), uint64(l.w.withState(free))) {
		return false
	}
	Step("acked")
	if l.i < p.slots {
		p.nextOne.Store(int64(l.i))
	}
	if p.full.Load() != 0 {
		p.full.Store(0)
		p.notify(true)
	}
	return true
}

// Nak gives the message back, to be lent again after delay. It reports the same as
// Ack.
func (l *Lent) Nak(delay time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.p
	if word(p.words[l.i].Load()) != l.w {
		return false
	}
	due := now() + uint64(delay)
	if !p.due[l.i].CompareAndSwap(l.due, due) {
		return false // by the next holder
	}
	l.due = due
	Step("due")
	if !p.words[l.i].CompareAndSwap(uint64(l.w), uint64(l.w.withState(returned))) {
		return false
	}
	Step("returned")
	p.notify(true)
	return true
}

// Extend renews the lease from now. It reports the same as Ack.
func (l *Lent) Extend(lasts time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.p
	due := now() + uint64(lasts)
	if word(p.words[l.i].Load()) != l.w || !p.due[l.i].CompareAndSwap(l.due, due) {
		return false
	}
	l.due = due
	return word(p.words[l.i].Load()) == l.w
}
