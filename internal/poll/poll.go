// Package poll decides when to poll an empty queue before waiting for it in the
// kernel.
//
// A message that arrives during polling is taken within about a microsecond, without
// the 10 to 50 microseconds that waking a sleeping thread takes. The price is a busy
// processor, and if none is idle, it may be the sender that cannot run meanwhile.
package poll

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"
)

// For is how long to poll by default: about as long as it takes to sleep and be woken.
// So even if polling finds nothing it at most doubles the cost of sleeping.
const For = 50 * time.Microsecond

// A Poller learns whether polling pays. At first it polls before every wait. After some
// polls that find nothing, it polls less and less often, down to every 256th wait; once a
// poll has found something, it polls before every wait again, since for two sides that
// answer each other polling pays only if both poll. So messages that come too rarely for
// polling soon cost no more than waiting for them. A nil Poller never polls. It may be
// used by several goroutines at once.
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
	freeMisses = 4              // polls without a message that change nothing
	rarest     = freeMisses + 7 // the level of one wait in 256

	// leastLook is shorter than any look takes: if time stands still, as in
	// testing/synctest, the number of looks ends polling.
	leastLook = 20 * time.Nanosecond
)

// A Round is one period of polling.
type Round struct {
	p     *Poller
	start time.Time
	looks time.Duration
}

// Begin reports whether to poll before this wait. If so, the caller looks at the
// queue, and reports the result with Found or Again.
func (p *Poller) Begin(ctx context.Context) (r Round, ok bool) {
	if p == nil || ctx.Err() != nil {
		return r, false
	}
	if level := p.level.Load(); level > freeMisses && p.waits.Add(1) < 2<<(level-freeMisses) {
		return r, false
	}
	p.waits.Store(0)
	return Round{p: p, start: time.Now()}, true
}

// Found records that the look has found something.
func (r *Round) Found() {
	if level := r.p.level.Load(); level > 0 {
		r.p.level.CompareAndSwap(level, 0)
	}
}

// Again records that the look has found nothing, and reports whether to look
// again.
func (r *Round) Again(ctx context.Context) bool {
	r.looks++
	if n := r.looks; n%16 != 0 && n&(n-1) != 0 { // also early: with a backlog of other types a look takes long
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
