package store

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"ipcmq/internal/sys"
)

// Reasons why a ticket cannot be redeemed.
var (
	ErrGone   = errors.New("its payload is gone: the store of its sender was removed, or the payload was freed")
	ErrOther  = errors.New("it does not fit the content of its store")
	ErrAccess = errors.New("this user may not read the store of its sender")
)

// A Reader redeems tickets. It keeps the stores of senders attached.
type Reader struct {
	mu       sync.Mutex
	attached map[int]*attachment
	mapped   int64 // bytes
	keeper   *time.Timer
	closed   bool
}

// An attachment is a store of another process.
type attachment struct {
	view
	readOnly bool
	mapped   atomic.Int64 // up to where pages were used
	users    int          // guarded by the lock of the Reader
}

// mostMapped is how much stays attached although it is not in use.
const mostMapped = int64(1) << (30 + strconv.IntSize/64*6) // 1 GiB, or 64 where addresses have 64 bits

// keepEvery is how often a Reader detaches removed stores, and frees what killed
// programs have left.
const keepEvery = 10 * time.Second

// A Payload is what a ticket stands for.
type Payload struct {
	r      *Reader
	a      *attachment
	entry  int
	number uint64
	bytes  []byte
}

// Redeem finds the payload of a ticket that was in the given queue. Done must be
// called at the end. Whoever can write to the store may change the payload at any
// time.
func (r *Reader) Redeem(t Ticket, queue int) (*Payload, error) {
	a, err := r.use(t.segment)
	if err != nil {
		return nil, err
	}
	p := &Payload{r: r, a: a, entry: t.entry, number: t.number}
	if err := p.find(t, queue); err != nil {
		p.Done()
		return nil, err
	}
	return p, nil
}

func (p *Payload) find(t Ticket, queue int) error {
	v := &p.a.view
	if t.entry >= v.count {
		return ErrOther
	}
	e := v.entry(t.entry)
	if !p.there() {
		return ErrGone
	}
	at, n, size := e[entryOffset].Load(), e[entryLength].Load(), uint64(v.segment.Size())
	if e[entryQueue].Load() != uint64(queue) || n != t.length || at < uint64(dataAt(v.count)) || at > size || n > size-at {
		return ErrOther
	}
	p.bytes = v.segment.Bytes(int(at), int(n))
	if mapped := p.a.mapped.Load(); int64(at+n) > mapped {
		first := max(int(at), int(mapped)) / page * page
		v.segment.Populate(first, int(at+n)-first, false)
		p.a.mapped.CompareAndSwap(mapped, int64(at+n))
	}
	return nil
}

// there reports whether the payload is where it was.
func (p *Payload) there() bool {
	w := word(p.a.entry(p.entry)[entryWord].Load())
	return w.used() && w.number() == p.number
}

// Copy copies the payload, into memory if that suffices. It returns ErrGone if the
// payload was freed meanwhile.
func (p *Payload) Copy(memory []byte) ([]byte, error) {
	if cap(memory) < len(p.bytes) || memory == nil {
		memory = append([]byte{}, p.bytes...)
	} else {
		memory = append(memory[:0], p.bytes...)
	}
	Step("copied out")
	if !p.there() {
		return nil, ErrGone
	}
	return memory, nil
}

// Free frees the payload: it was received.
func (p *Payload) Free() {
	v := &p.a.view
	if p.a.readOnly {
		return // a process that may will find it without a ticket
	}
	v.release(p.entry, p.number)
	if v.head[headLeft].Load() != 0 && v.empty() {
		v.remove()
	}
}

// Done ends the use of the payload.
func (p *Payload) Done() {
	r := p.r
	r.mu.Lock()
	defer r.mu.Unlock()
	p.a.users--
	if p.a.users == 0 && (r.closed || p.a.head[headGone].Load() != 0) {
		r.detach(p.a)
	}
}

// use returns the store with an id, for one more user.
func (r *Reader) use(id int) (*attachment, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.attached[id]
	if a == nil {
		var err error
		if a, err = attach(id); err != nil {
			return nil, err
		}
		size := int64(a.segment.Size())
		if r.mapped+size > mostMapped {
			r.detachIdle(func(*attachment) bool { return true })
		}
		if r.attached == nil {
			r.attached = map[int]*attachment{}
		}
		r.attached[id] = a
		r.mapped += size
		if r.keeper == nil && !r.closed {
			r.keeper = time.AfterFunc(keepEvery, r.keep)
		}
	}
	a.users++
	return a, nil
}

// attach attaches a segment if it is a store.
func attach(id int) (*attachment, error) {
	s, errno := sys.ShmAttach(id, true)
	switch errno {
	case 0:
	case sys.EINVAL, sys.EIDRM:
		return nil, ErrGone
	default:
		return nil, ErrAccess
	}
	v, ok := look(id, s)
	if !ok {
		s.Detach()
		return nil, ErrOther
	}
	// Only now that it is known to be a store: no other segment is ever written to.
	// The id stays that of this segment as long as it is attached.
	w, errno := sys.ShmAttach(id, false)
	if errno != 0 {
		return &attachment{view: v, readOnly: true}, nil
	}
	s.Detach()
	if v, ok = look(id, w); !ok {
		w.Detach()
		return nil, ErrOther
	}
	return &attachment{view: v}, nil
}

func (r *Reader) detach(a *attachment) {
	delete(r.attached, a.id)
	r.mapped -= int64(a.segment.Size())
	a.segment.Detach()
}

// detachIdle detaches the unused stores that are in the way.
func (r *Reader) detachIdle(inTheWay func(*attachment) bool) {
	for _, a := range r.attached {
		if a.users == 0 && inTheWay(a) {
			r.detach(a)
		}
	}
}

// keep detaches stores that were removed, which take memory until then.
func (r *Reader) keep() {
	Collect()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keeper = nil
	if r.closed {
		return
	}
	r.detachIdle(func(a *attachment) bool { return a.head[headGone].Load() != 0 })
	if len(r.attached) > 0 {
		r.keeper = time.AfterFunc(keepEvery, r.keep)
	}
}

// Close detaches all stores, those in use once they no longer are.
func (r *Reader) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.keeper != nil {
		r.keeper.Stop()
	}
	r.detachIdle(func(*attachment) bool { return true })
}
