// Package poll decides when to look at an empty queue again and again before waiting
// for it in the kernel.
//
// A message that arrives while somebody polls is taken within a microsecond or so,
// without the 10 to 50 microseconds that it takes to wake a sleeping thread. The price
// is a busy processor, and where none is idle the sender may be what does not run
// meanwhile.
package poll

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"
)

// For is how long to poll unless told otherwise: about as long as it takes to sleep
// and to be woken. So even where polling finds nothing it costs no more than twice what
// sleeping does.
const For = 50 * time.Microsecond

// A Poller learns whether polling pays. It polls before every wait at first. Each time
// that this finds nothing, after some, it does so more rarely, in the end before every
// 256th wait, and once a poll has found something, before every wait again: two sides
// that answer each other only find it worth it if both poll. So what comes too rarely for
// polling soon costs no more than waiting for it. A nil Poller never polls. Several
// goroutines may use one.
type Poller struct {
	spin  time.Duration
	level atomic.Int32  // how rarely
	waits atomic.Uint32 // since the last poll
}

// New returns a Poller that polls for some time; nil if that is 0 or less.
func New(spin time.Duration) *Poller {
	if spin <= 0 {
		return nil
	}
	return &Poller{spin: spin}
}

const (
	patience = 4            // times without a message that change nothing
	rarest   = patience + 7 // the level of one wait in 256

	// leastLook is shorter than any look takes: where time stands still, as in
	// testing/synctest, polling ends by their number.
	leastLook = 20 * time.Nanosecond
)

// A Round is one time of polling.
type Round struct {
	p     *Poller
	start time.Time
	looks time.Duration
}

// Begin reports whether to poll before this wait. If so, the caller looks, and tells
// the round what came of it: with Found, or with Again.
func (p *Poller) Begin(ctx context.Context) (r Round, ok bool) {
	if p == nil || ctx.Err() != nil {
		return r, false
	}
	if level := p.level.Load(); level > patience && p.waits.Add(1) < 2<<(level-patience) {
		return r, false
	}
	p.waits.Store(0)
	return Round{p: p, start: time.Now()}, true
}

// Found says that the look has found something.
func (r *Round) Found() {
	if level := r.p.level.Load(); level > 0 {
		r.p.level.CompareAndSwap(level, 0)
	}
}

// Again says that the look has found nothing, and reports whether to look again.
func (r *Round) Again(ctx context.Context) bool {
	r.looks++
	if n := r.looks; n%16 != 0 && n&(n-1) != 0 { // soon, too: behind a backlog of other types a look takes long
		return true
	}
	return r.goOn(ctx)
}

func (r *Round) goOn(ctx context.Context) bool {
	if ctx.Err() != nil {
		return false
	}
	if time.Since(r.start) <= r.p.spin && r.looks < r.p.spin/leastLook {
		runtime.Gosched()
		return true
	}
	if level := r.p.level.Load(); level < rarest {
		r.p.level.CompareAndSwap(level, level+1)
	}
	return false
}
