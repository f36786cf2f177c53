package lease

import (
	"log/slog"
	"sync"
	"time"

	"ipcmq/mq"
)

// DefaultPrefetch is the default of Config.Prefetch; maxPrefetch is its maximum.
const (
	DefaultPrefetch = 256
	maxPrefetch     = 1 << 16
)

const (
	// aheadTime is how much work for the handlers may wait, by how long they took
	// lately.
	aheadTime = 20 * time.Millisecond

	// mostWait is after which time a message that waits is given back, or a quarter of
	// its lease, if that is less.
	mostWait = time.Second
)

// A line is where messages of a queue on another host wait that were taken ahead of
// the handlers, so that these need not wait for a round trip each.
//
// It is for handlers that are quick: others take nothing ahead, and so leave the
// messages to whoever is free. Nor is anything taken ahead along with messages that
// were lent before: if it is one that kills its handlers, the others lose an attempt
// with it once, and no more.
type line struct {
	*loop
	room chan struct{} // has something when there may be room

	mu       sync.Mutex
	waiting  []waiting // the oldest first
	busy     int       // handlers that run
	took     time.Duration
	repeated bool // some of those taken last were lent before
	stalled  bool // what has waited was given back, and no handler has returned since
	ended    bool
	timer    *time.Timer // for the oldest; nil if none is set
}

type waiting struct {
	lease mq.Lease
	until time.Time
}

// takeAhead takes messages, as many as can be handled soon, until the loop ends.
func (l *loop) takeAhead(from taker) {
	a := &line{loop: l, room: make(chan struct{}, 1)}
	defer a.end()
	for {
		n := a.await()
		if n == 0 {
			return
		}
		leases, ok := from.take(n)
		a.add(leases)
		if !ok {
			return
		}
	}
}

// await waits until there is room and returns for how many; 0 if the loop ends.
func (a *line) await() int {
	for a.taking.Err() == nil {
		a.mu.Lock()
		n := a.free()
		a.mu.Unlock()
		if n > 0 {
			return n
		}
		select {
		case <-a.room:
		case <-a.taking.Done():
		}
	}
	return 0
}

// free returns how many messages there is room for, 0 while enough wait. The lock is
// held, as it is for all below that do not take it.
func (a *line) free() int {
	ahead := a.ahead()
	if len(a.waiting) > ahead/2 {
		return 0
	}
	return max(0, a.cfg.Concurrency+ahead-a.busy-len(a.waiting))
}

// ahead returns how many messages may wait.
func (a *line) ahead() int {
	if a.took == 0 || a.repeated || a.stalled || a.cfg.MaxAttempts == 1 {
		return 0
	}
	return int(min(int64(max(0, a.cfg.Prefetch)), int64(a.cfg.Concurrency)*int64(aheadTime)/int64(a.took)))
}

// add lets messages wait, and has handled what can be.
func (a *line) add(leases []mq.Lease) {
	if len(leases) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.repeated = false
	now := time.Now()
	for _, l := range leases {
		a.repeated = a.repeated || l.Attempt() > 1
		a.waiting = append(a.waiting, waiting{l, now.Add(min(mostWait, l.Deadline().Sub(now)/4))})
	}
	for ; a.busy < a.cfg.Concurrency && len(a.waiting) > 0; a.busy++ {
		first := a.first()
		a.handlers.Go(func() { a.work(first) })
	}
	a.watch()
}

// first returns the oldest message that waits.
func (a *line) first() mq.Lease {
	first := a.waiting[0].lease
	a.waiting[0] = waiting{}
	a.waiting = a.waiting[1:]
	return first
}

// work has messages handled, next and then the oldest ones, until none waits.
func (a *line) work(next mq.Lease) {
	var began time.Time
	defer func() {
		if next == nil {
			return
		}
		if next = a.handled(began); next != nil { // a handler has called runtime.Goexit
			a.handlers.Go(func() { a.work(next) })
		}
	}()
	for next != nil {
		began = time.Now()
		a.handle(next)
		next = a.handled(began)
	}
}

// handled notes that a handler that began then has returned, and returns what its
// goroutine handles next, or nil.
func (a *line) handled(began time.Time) (next mq.Lease) {
	a.mu.Lock()
	defer a.mu.Unlock()
	took := max(time.Since(began), 1)
	if a.took > 0 {
		took = max(1, a.took+(took-a.took)/8)
	}
	a.took, a.stalled = took, false
	if len(a.waiting) > 0 {
		next = a.first()
	} else {
		a.busy--
	}
	if a.free() > 0 {
		select {
		case a.room <- struct{}{}:
		default:
		}
	}
	return next
}

// watch sets the timer for the oldest message, unless it is set.
func (a *line) watch() {
	if a.timer == nil && len(a.waiting) > 0 {
		a.timer = time.AfterFunc(time.Until(a.waiting[0].until), a.late)
	}
}

// late gives back the messages whose time is over: all handlers are at work for longer
// than those before them, and another process may be free.
func (a *line) late() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.timer = nil; a.ended {
		return
	}
	n := 0
	for now := time.Now(); n < len(a.waiting) && !a.waiting[n].until.After(now); n++ {
	}
	a.returnFirst(n)
	a.watch()
}

// returnFirst gives back the n oldest messages.
func (a *line) returnFirst(n int) {
	if n == 0 {
		return
	}
	a.stalled = true
	for _, w := range a.waiting[:n] {
		a.handlers.Go(func() { a.giveBack(w.lease, 0) })
	}
	a.waiting = a.waiting[n:]
	if a.cfg.Logger != nil {
		a.handlers.Go(func() {
			a.cfg.Logger.InfoContext(a.beyond, "messages that waited for a handler are given back", slog.Int("messages", n))
		})
	}
}

// end gives back what waits.
func (a *line) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	a.returnFirst(len(a.waiting))
}
