package lease

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"ipcmq/internal/lazy"
	"ipcmq/mq"
)

// errGoexit: a handler, or a function of Config, has called runtime.Goexit.
var errGoexit = errors.New("the handler has called runtime.Goexit")

// errNotBegun: the loop began to end before the handler was called.
var errNotBegun = errors.New("not handled, because the loop ended first")

// A held message is lent to the loop, which extends its lease until settle.
// Extending begins when half of the lease is over; most messages are settled
// before.
type held struct {
	Delivery
	lease mq.Lease
	taken time.Time
	ctx   *lazy.Context // ends with ErrLost if the lease cannot be kept

	half *time.Timer   // begins extending
	kept chan struct{} // closed when extending has ended
	lost error         // why the lease could not be kept, when kept is closed

	mu      sync.Mutex
	settled bool
	stop    context.CancelFunc // ends extending, if it has begun
}

func (l *loop) hold(lease mq.Lease) *held {
	h := &held{Delivery: deliver(lease), lease: lease, taken: time.Now(), kept: make(chan struct{})}
	h.ctx = lazy.New(l.ctx, time.Time{}, nil)
	h.half = time.AfterFunc(time.Until(lease.Deadline())/2, func() {
		defer close(h.kept)
		ctx := h.begin(l.beyond)
		if ctx == nil {
			return
		}
		if h.lost = l.keep(ctx, lease); h.lost != nil {
			h.ctx.Cancel(h.lost)
			l.warn("lease was lost", h.Delivery, slog.Any("error", h.lost))
			l.report(h.Delivery, h.lost)
		}
	})
	return h
}

// begin returns the context in which the lease is extended, or nil if it is too
// late.
func (h *held) begin(parent context.Context) (ctx context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.settled {
		return nil
	}
	ctx, h.stop = context.WithCancel(parent)
	return ctx
}

// release ends extending.
func (h *held) release() {
	if h.half.Stop() {
		return
	}
	h.mu.Lock()
	h.settled = true
	if h.stop != nil {
		h.stop()
	}
	h.mu.Unlock()
	<-h.kept
}

// settle ends the lease after an attempt that ended with err.
func (l *loop) settle(h *held, err error) {
	h.release()
	defer h.ctx.Cancel(nil)
	switch {
	case err == nil:
		// Even if the lease is lost: the other holder may not have begun.
		if l.acks != nil {
			l.acks.add(h)
			return
		}
		l.ack(h.lease, h.Delivery)
	case h.lost != nil:
		// Giving it back would take it from the other holder.
	case err == errNotBegun, endedBy(l.ctx, err):
		l.giveBack(h.lease, 0)
	default:
		delay := time.Duration(0)
		defer func() { l.giveBack(h.lease, delay) }()
		if err == errGoexit {
			l.report(h.Delivery, err)
		}
		delay = max(0, l.cfg.RetryDelay(h.Attempt, err))
		l.warn("message is tried again", h.Delivery, slog.Any("error", err), slog.Duration("delay", delay))
	}
}
