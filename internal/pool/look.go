package pool

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"math"
	"sync"
	"time"

	"ipcmq/internal/procfs"
	"ipcmq/internal/sys"
	"ipcmq/mq"
)

// lay finds out the layout of the segment. It reports whether it is valid.
func (p *Pool) lay() bool {
	s := p.segment
	p.head = s.Words(0, headSize/8)
	slots, room := p.head[headSlots].Load(), p.head[headRoom].Load()
	var ok bool
	if p.layout, ok = layoutOf(int(min(slots, MaxSlots+1)), int(min(room, MaxRoom+1))); !ok || p.size != s.Size() {
		return false
	}
	p.table = s.Words(p.owners, owners*ownerSize)
	p.words = s.Words(p.layout.words, p.slots+waits)
	p.due = s.Words(p.layout.due, p.slots+waits)
	p.meta = s.Words(p.layout.meta, (p.slots+waits)*metaSize)
	return true
}

// A View is the content of a pool at one time, for processes that do not use it.
// Unknown fields are zero.
type View struct {
	Queue int // by its id
	Slots int // with room
	Free  int // of these
	Room  int

	Held     int // messages that a process has
	Dead     int // of these: with one that has certainly died
	Unjudged int // of these: with a process that cannot be judged here
	Returned int // messages that were given back
	Due      int // of all: those due to be lent again
	Holders  []Holder
}

// A Holder is a process that has messages.
type Holder struct {
	procfs.Process
	Dead, Judged bool
	Messages     int
	Since, Until time.Time // the earliest; zero if not known
}

// Look reads a segment. The error matches fs.ErrNotExist if it is not a pool,
// and comes with the id of the queue if it is one, but cannot be read.
func Look(id int) (v View, err *mq.Error) {
	p, err := view(id)
	if p == nil {
		return v, err
	}
	defer p.segment.Detach()
	v.Queue = p.queue
	if err != nil {
		return v, err
	}
	v.Slots, v.Room, v.Free = p.slots, p.room, p.slots
	look := p.newLook()
	holders := map[int]int{} // by owner: where in v.Holders, 1 more
	for i := range p.used {
		m, used := look.at(i)
		if used && i < p.slots {
			v.Free--
		}
		if !m.there {
			continue
		}
		if m.due {
			v.Due++
		}
		if m.state() == returned {
			v.Returned++
			continue
		}
		v.Held++
		if m.verdict.dead {
			v.Dead++
		} else if !m.verdict.judged {
			v.Unjudged++
		}
		n := holders[m.owner()]
		if n == 0 {
			v.Holders = append(v.Holders, Holder{Process: m.process, Dead: m.verdict.dead, Judged: m.verdict.judged})
			n = len(v.Holders)
			holders[m.owner()] = n
		}
		h := &v.Holders[n-1]
		h.Messages++
		h.Since, h.Until = earliest(h.Since, look.timeOf(m.began)), earliest(h.Until, look.timeOf(m.until))
	}
	return v, nil
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// self is this process, zero if it is not known: it stays the same, and reading it
// takes longer than a look.
var self = sync.OnceValue(func() procfs.Process {
	p, _ := procfs.Self(procfs.Root)
	return p
})

// view attaches a segment to read it. The returned pool has only the fields for
// that; with an error, only the segment and the id of its queue.
func view(id int) (*Pool, *mq.Error) {
	none := func() (*Pool, *mq.Error) { return nil, refuse(fs.ErrNotExist, nil, "segment %d is not a pool", id) }
	s, errno := sys.ShmAttach(id, true)
	switch errno {
	case 0:
	case sys.EINVAL, sys.EIDRM:
		return none()
	case sys.ENOSYS:
		return nil, refuse(nil, errno, "")
	default:
		return nil, refuse(fs.ErrPermission, errno, "segment %d cannot be attached", id)
	}
	if !MayBe(int64(s.Size())) || s.Words(0, headSize/8)[headMagic].Load() != magic {
		s.Detach()
		return none()
	}
	p := &Pool{id: id, segment: s}
	p.head = s.Words(0, headSize/8)
	p.queue = int(min(p.head[headQueue].Load(), math.MaxInt32))
	if v := p.head[headVersion].Load(); v != version {
		return p, refuse(nil, nil, "the pool, segment %d, has version %d, and this program knows %d", id, v, version)
	}
	if !p.lay() {
		return p, p.damaged()
	}
	if _, _, err := procfs.BootTime(); err != nil {
		return p, refuse(errors.ErrUnsupported, nil, "the time since the boot, in which leases count, is not known: %v", err)
	}
	p.self = self()
	p.pattern = binary.NativeEndian.AppendUint64(nil, p.head[headPattern].Load())
	return p, nil
}

// A look reads slots.
type look struct {
	p     *Pool
	boot  uint64    // now, as leases count
	wall  time.Time // now
	known [owners]*known
	typed int // slots whose type was looked at though no word says that they have one
}

// known is what was found out about an owner.
type known struct {
	entry   uint64
	process procfs.Process
	verdict verdict
}

func (p *Pool) newLook() *look { return &look{p: p, boot: now(), wall: time.Now()} }

// timeOf returns the time that a word holds; 0 is none.
func (l *look) timeOf(at uint64) time.Time {
	if at == 0 {
		return time.Time{}
	}
	const most = uint64(100 * 365 * 24 * time.Hour) // what is beyond is garbage, and must stay a year of four digits
	if at > l.boot {
		return l.wall.Add(time.Duration(min(at-l.boot, most)))
	}
	return l.wall.Add(-time.Duration(min(l.boot-at, most)))
}

// A slotState is what was read of a slot.
type slotState struct {
	word
	there        bool // a message
	process      procfs.Process
	verdict      verdict
	began, until uint64
	due          bool
}

// mostTyped limits how many messages are looked for in slots whose words do not
// say that they have one: looking allocates pages, and there are no more
// processes.
const mostTyped = owners

// tries is how often a slot is read that changes while it is.
const tries = 10

// at reads the slot i, and reports whether it is in use. A slot that keeps changing
// is skipped.
func (l *look) at(i int) (s slotState, used bool) {
	p := l.p
	for range tries {
		w := word(p.words[i].Load())
		s = slotState{word: w}
		switch w.state() {
		case lent, returned:
			s.there = true
		case taking:
			if l.typed < mostTyped {
				l.typed++
				s.there = p.typeOf(i, w) != 0
			}
		}
		if !s.there {
			return s, w.state() != free
		}
		s.began, s.until = p.metaOf(i)[3].Load(), p.due[i].Load()
		if w.state() != returned { // the entry of the one that gave it back may be another's by now
			s.process, s.verdict = l.judge(w.owner())
		}
		s.due = s.until <= l.boot && (s.until != 0 || w.state() == returned) || s.verdict.dead
		if word(p.words[i].Load()) == w {
			return s, true
		}
	}
	return slotState{}, true
}

// judge finds out who an owner is and whether it is dead, each once.
func (l *look) judge(owner int) (procfs.Process, verdict) {
	if owner >= owners { // garbage
		return procfs.Process{}, verdict{true, true}
	}
	e := l.p.entry(owner)[0].Load()
	k := l.known[owner]
	if k == nil {
		k = &known{entry: e, process: l.p.process(owner, e)}
		switch entryState(e) {
		case entryReady:
			k.verdict.dead, k.verdict.judged = k.process.JudgeFrom(l.p.self, procfs.Root)
		case entryMaking: // without its start, which may be another's
			if who := k.process; who.PID > 0 && who.PIDSpace == l.p.self.PIDSpace && !sys.Exists(who.PID) {
				k.verdict = verdict{true, true}
			}
		default: // no slot belongs to it
			k.verdict = verdict{true, true}
		}
		l.known[owner] = k
	}
	if k.entry != e { // another since
		return procfs.Process{}, verdict{}
	}
	return k.process, k.verdict
}
