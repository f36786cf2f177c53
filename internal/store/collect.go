package store

import (
	"sync"
	"sync/atomic"
	"time"

	"ipcmq/internal/pool"
	"ipcmq/internal/procfs"
	"ipcmq/internal/sys"
)

// grace is how long a ticket must have been seen nowhere before its payload is
// freed. A program that takes it from the queue without a lease has it in its
// memory, where nobody can see it, until it frees the payload.
var grace atomic.Int64

func init() { SetGrace(30 * time.Second) }

// SetGrace is for tests.
func SetGrace(d time.Duration) { grace.Store(int64(d)) }

// Collect frees what killed programs have left, in all stores that this process may
// write to, and removes stores that nobody uses any more.
func Collect() {
	collecting.Lock()
	defer collecting.Unlock()
	l := newLook()
	for s, err := range procfs.Segments(procfs.Root) {
		if err == nil && s.Key == 0 && !s.Removed && mayBe(s.Size) {
			l.visit(s.ID)
		}
	}
}

// collectAtTimes is Collect, unless this process has called it within the last
// second, since it looks at all segments of the system.
func collectAtTimes() {
	now := time.Since(began)
	if last := collectedAt.Load(); last == 0 || now-time.Duration(last) > time.Second {
		collectedAt.Store(int64(max(now, 1)))
		Collect()
	}
}

var (
	began       = time.Now()
	collectedAt atomic.Int64 // since began
)

// collecting is held by the goroutine that collects: one per process is enough.
var collecting sync.Mutex

// visit collects in one segment, if that is a store.
func (l *looking) visit(id int) {
	s, errno := sys.ShmAttach(id, true)
	if errno != 0 {
		return
	}
	defer s.Detach() // last, so that the id stays this segment's
	v, ok := look(id, s)
	if !ok {
		return
	}
	forsaken := v.forsaken()
	if !forsaken && v.waits().Load() == 0 {
		return // its sender collects when it has to
	}
	if s, errno = sys.ShmAttach(id, false); errno != 0 {
		return
	}
	defer s.Detach()
	if v, ok = look(id, s); ok {
		l.collect(&v, forsaken)
		if forsaken && v.empty() {
			v.remove()
		}
	}
}

// collect frees the payloads of a store whose tickets are nowhere. A ticket that
// a living sender may still be about to send is left alone.
func (l *looking) collect(v *view, forsaken bool) {
	for i := range v.count {
		e := v.entry(i)
		w := word(e[entryWord].Load())
		if !w.used() || w.state() == sending && !forsaken {
			continue
		}
		queue := e[entryQueue].Load()
		if queue >= 1<<31 {
			v.release(i, w.number()) // garbage
			continue
		}
		missing := e[entryMissing].Load()
		switch tickets := l.tickets(int(queue)); {
		case tickets.gone:
			v.release(i, w.number())
		case !tickets.known:
		case tickets.has[Ticket{v.id, i, w.number(), e[entryLength].Load()}]:
			e[entryMissing].CompareAndSwap(missing, 0)
		case missing == 0:
			e[entryMissing].CompareAndSwap(0, l.now)
		case l.now-missing < 1<<63 && l.now-missing >= uint64(grace.Load()):
			v.release(i, w.number())
		}
	}
}

// A looking is one search for tickets.
type looking struct {
	now    uint64 // CLOCK_BOOTTIME
	queues map[int]tickets
}

func newLook() *looking {
	_, now, _ := procfs.BootTime() // or else nothing is ever freed for its age
	return &looking{now: uint64(max(now, 1)), queues: map[int]tickets{}}
}

// tickets are those of one queue.
type tickets struct {
	gone  bool // the queue
	known bool // whether has is complete
	has   map[Ticket]bool
}

func (l *looking) tickets(queue int) tickets {
	t, ok := l.queues[queue]
	if !ok {
		t = ticketsOf(queue)
		l.queues[queue] = t
	}
	return t
}

// gone reports whether there is no such queue any more.
func gone(queue int) bool {
	_, errno := sys.MsgStat(queue)
	return errno == sys.EINVAL || errno == sys.EIDRM
}

// mostMessages limits how many messages of a queue are read: for each of them,
// the kernel walks the queue from the head.
const mostMessages = 4096

// ticketsOf looks for the tickets in a queue, and then among lent messages,
// since leasing moves them from the queue to the pool.
func ticketsOf(queue int) (t tickets) {
	ds, errno := sys.MsgStat(queue)
	if errno == sys.EINVAL || errno == sys.EIDRM {
		return tickets{gone: true}
	}
	if errno != 0 || ds.Qnum > mostMessages {
		return tickets{}
	}
	t.has = map[Ticket]bool{}
	note := func(data []byte) {
		if ticket, ok := ParseTicket(data); ok {
			t.has[ticket] = true
		}
	}
	b := make([]byte, sys.TypeSize+TicketSize)
	// From the last one down: a message that is taken meanwhile moves later ones
	// forward, toward this search, not past it.
	for i := int64(ds.Qnum) - 1; i >= 0; i-- {
		switch n, errno := sys.TryMsgrcv(queue, b, TicketSize, i, sys.MSG_COPY); errno {
		case 0:
			note(b[sys.TypeSize : sys.TypeSize+n])
		case sys.E2BIG, sys.ENOMSG: // no ticket, or the queue is shorter by now
		case sys.EINTR:
			i++
		default:
			return tickets{}
		}
	}
	t.known = ds.Key == 0 || pool.Held(queue, ds.Key, TicketSize, note)
	return t
}
