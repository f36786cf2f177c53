package pool

import (
	"time"

	"ipcmq/internal/procfs"
	"ipcmq/internal/sys"
)

// Held calls note with the first n bytes of each message in the pool of a queue,
// lent or given back, and reports whether these are all: some process may be about
// to take a message, or this one may not read the pool.
func Held(queue int, key uint32, n int, note func([]byte)) (all bool) {
	id, errno := sys.Shmget(key, 0, 0)
	if errno == sys.ENOENT {
		return true // there is no pool
	}
	if errno != 0 {
		return false
	}
	s, errno := sys.ShmAttach(id, true)
	if errno != 0 {
		return false
	}
	defer s.Detach()
	if !MayBe(int64(s.Size())) {
		return true // another program's segment, so there is no pool
	}
	p := &Pool{id: id, segment: s}
	p.head = s.Words(0, headSize/8)
	switch m := p.head[headMagic].Load(); {
	case m == 0:
		return true // it is being created, so nobody has used it yet
	case m != magic || p.head[headVersion].Load() != version:
		return false
	case p.head[headQueue].Load() != uint64(queue):
		return true // an older queue's: this one has none yet
	}
	if !p.lay() {
		return false
	}
	p.self, _ = procfs.Self(procfs.Root)
	// Not only up to where slots are said to be in use: that may be raised just now.
	for i := range p.slots {
		if !p.held(i, n, note) {
			return false
		}
	}
	return true
}

// held is Held for one slot.
func (p *Pool) held(i, n int, note func([]byte)) bool {
	b := p.bytes(i)[8:]
	for range 100 {
		w := word(p.words[i].Load())
		switch w.state() {
		case free:
			return true
		case taking, lent, returned:
			note(b[:min(n, len(b))]) // in taking, it may be there though nothing says so
		}
		if word(p.words[i].Load()) != w {
			continue
		}
		if w.state() > taking || w.state() == taking && p.typeOf(i, w) != 0 {
			return true
		}
		owner := w.owner() % owners
		if p.judge(owner, p.entry(owner)[0].Load()).dead {
			return true
		}
		time.Sleep(100 * time.Microsecond) // it may be about to take something
	}
	return false
}
