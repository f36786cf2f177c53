package rpc

import (
	"fmt"
	"sync"
	"time"

	"ipcmq/mq"
)

// An overrun watches one worker. If its handler has not returned long after the
// deadline of its request, another worker takes its place, so that such handlers
// do not cost workers.
type overrun struct {
	server *server
	timer  *time.Timer // of all requests, one after the other

	mu       sync.Mutex
	at       time.Time  // for the request that is being handled; zero if there is none
	request  mq.Message // that one
	replaced bool       // another worker has taken the place
}

// begin replaces the worker at the given time.
func (o *overrun) begin(at time.Time, request mq.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.at, o.request = at, request
	if o.timer == nil {
		o.timer = time.AfterFunc(time.Until(at), o.replace)
		return
	}
	o.timer.Reset(time.Until(at))
}

// end reports whether the worker was replaced.
func (o *overrun) end() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.at.IsZero() {
		return false
	}
	o.at, o.request = time.Time{}, mq.Message{}
	o.timer.Stop()
	if o.replaced {
		o.server.overruns.Add(-1)
		select {
		case o.server.returned <- struct{}{}:
		default:
		}
	}
	return o.replaced
}

func (o *overrun) replace() {
	request, ok := o.claim()
	if !ok {
		return
	}
	s := o.server
	s.cfg.Stats.Overrun.Add(1)
	go s.worker()
	s.free <- struct{}{}
	s.report(request, fmt.Errorf("%w: another takes its place", ErrOverrun))
}

// claim reports whether the worker must be replaced now, and returns its request.
func (o *overrun) claim() (request mq.Message, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.at.IsZero() || time.Now().Before(o.at) || o.replaced { // the timer of an earlier request was late
		return request, false
	}
	if o.server.overruns.Add(1) > maxOverruns {
		o.server.overruns.Add(-1)
		return request, false
	}
	o.replaced = true
	return o.request, true
}
