package pool

import (
	"ipcmq/internal/procfs"
	"ipcmq/internal/sys"
)

// An owner is a process that uses the pool. The first word of its entry
// identifies it by pid and pid namespace, so that a process that was killed
// while it entered itself is known too.
const (
	pidBits   = 22 // PID_MAX_LIMIT
	spaceBits = 32
	spaceAt   = pidBits
	entryAt   = pidBits + spaceBits // state, 2 bits; then a generation

	entryFree   = 0
	entryMaking = 1
	entryReady  = 2
)

func entryOf(self procfs.Process, state uint64) uint64 {
	return uint64(self.PID) | self.PIDSpace<<spaceAt | state<<entryAt
}

func entryState(e uint64) uint64      { return e >> entryAt & 3 }
func entryGeneration(e uint64) uint64 { return e >> (entryAt + 2) << (entryAt + 2) }

func (p *Pool) entry(i int) *ownerWords { return (*ownerWords)(p.table[i*ownerSize : i*ownerSize+3]) }

// register enters this process among the owners, unless it is there.
func (p *Pool) register() bool {
	if p.self.PID >= 1<<pidBits || p.self.PIDSpace >= 1<<spaceBits {
		p.self = procfs.Process{} // nobody can judge it then
	}
	for range 2 {
		for i := range owners {
			e := p.entry(i)
			if w := e[0].Load(); entryState(w) == entryReady && p.self.PID != 0 && p.process(i, w) == p.self {
				p.me = i
				return true
			}
		}
		for i := range owners {
			e := p.entry(i)
			w := e[0].Load()
			making := entryGeneration(w) | entryOf(p.self, entryMaking)
			if entryState(w) != entryFree || !e[0].CompareAndSwap(w, making) {
				continue
			}
			Step("entering")
			e[1].Store(p.self.Start)
			e[2].Store(p.self.TimeSpace)
			Step("entered")
			e[0].Store(entryGeneration(w) | entryOf(p.self, entryReady))
			p.me = i
			return true
		}
		p.sweep()
	}
	return false
}

// unregister removes this process from the owners, unless messages are lent to
// it: these are lent again when their time is over.
func (p *Pool) unregister() {
	if !p.uses(p.me) {
		e := p.entry(p.me)
		w := e[0].Load()
		e[0].CompareAndSwap(w, entryGeneration(w)+1<<(entryAt+2))
	}
}

// uses reports whether a slot belongs to an owner.
func (p *Pool) uses(owner int) bool {
	for i := range p.words {
		if w := word(p.words[i].Load()); w.owner() == owner && w.state() >= claimed && w.state() <= lent {
			return true
		}
	}
	return false
}

// sweep frees the entries of owners that are dead and have no slots.
func (p *Pool) sweep() {
	p.Judge()
	p.anyAgain() // frees the slots of the dead in which there is no message
	for i := range owners {
		e := p.entry(i)
		w := e[0].Load()
		if entryState(w) == entryFree || i == p.me && p.me != 0 || !p.judge(i, w).dead || p.uses(i) {
			continue
		}
		e[0].CompareAndSwap(w, entryGeneration(w)+1<<(entryAt+2))
	}
}

// process returns the process of the owner; Start and TimeSpace are valid only
// if the entry is ready.
func (p *Pool) process(i int, w uint64) procfs.Process {
	e := p.entry(i)
	return procfs.Process{PID: int(w & (1<<pidBits - 1)), PIDSpace: w >> spaceAt & (1<<spaceBits - 1),
		Start: e[1].Load(), TimeSpace: e[2].Load()}
}

// A verdict is what is known about an owner.
type verdict struct{ dead, judged bool }

// judge finds out whether an owner is dead.
func (p *Pool) judge(i int, w uint64) verdict {
	who := p.process(i, w)
	switch {
	case entryState(w) == entryFree || entryState(w) == 3:
		return verdict{true, true} // no slot belongs to it
	case p.self.PID == 0 || who.PID == 0 || who.PIDSpace != p.self.PIDSpace:
		return verdict{}
	case !sys.Exists(who.PID):
		return verdict{true, true}
	case entryState(w) == entryMaking || who.TimeSpace != p.self.TimeSpace:
		return verdict{}
	}
	if start, err := procfs.StartTicks(procfs.Root, who.PID); err == nil && start != who.Start {
		return verdict{true, true}
	} else if err != nil {
		return verdict{}
	}
	if f, errno := sys.OpenProcess(who.PID); errno == 0 {
		defer f.Close()
		return verdict{f.Ended(), true}
	}
	return verdict{false, true}
}

// A peer is an owner whose end this process awaits.
type peer struct {
	entry   uint64
	process *sys.Process
}

func (o *peer) awaits(entry uint64) bool { return o != nil && o.entry == entry }

func (o *peer) close() {
	if o != nil {
		o.process.Close()
	}
}

// dead reports whether an owner is known to be dead. It is quick.
func (p *Pool) dead(i int) bool {
	if i >= owners {
		return true
	}
	e := p.entry(i)[0].Load()
	return entryState(e) == entryFree || e == p.buried[i].Load()
}

// Judge finds out which holders of messages have died. From then on, waiting
// calls are woken when another holder dies.
func (p *Pool) Judge() {
	asked := -1
	for i := range p.used {
		w := word(p.words[i].Load())
		if s := w.state(); s == free || s == returned || w.owner() == p.me || w.owner() == asked || p.dead(w.owner()) {
			continue
		}
		asked = w.owner()
		p.ask(asked)
	}
}

// ask finds out whether an owner is dead, and makes this process be notified if
// it dies.
func (p *Pool) ask(i int) {
	w := p.entry(i)[0].Load()
	p.mu.Lock()
	defer p.mu.Unlock()
	if o := p.known[i]; o.awaits(w) {
		return
	}
	v := p.judge(i, w)
	if v.dead {
		p.buried[i].Store(w)
		return
	}
	if !v.judged || entryState(w) != entryReady {
		return
	}
	who := p.process(i, w)
	f, errno := sys.OpenProcess(who.PID)
	if errno != 0 {
		return // asked again each time
	}
	// The pid may be another's by now.
	if start, err := procfs.StartTicks(procfs.Root, who.PID); err != nil || start != who.Start {
		f.Close()
		return
	}
	p.known[i].close()
	p.known[i] = &peer{w, f}
	p.ended.Go(func() {
		if f.Await() {
			p.buried[i].Store(w)
			p.nudge()
		}
	})
}
