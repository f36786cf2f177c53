package lease

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"ipcmq/mq"
)

// errGoexit: a handler, or a function of Config, has called runtime.Goexit.
var errGoexit = errors.New("the handler has called runtime.Goexit")

// errNotBegun: the loop was told to end before the handler was called.
var errNotBegun = errors.New("not handled, since the end came first")

// A held message is lent to the loop, which extends its lease until settle.
type held struct {
	Delivery
	lease mq.Lease
	taken time.Time
	ctx   context.Context // ends with ErrLost if the lease cannot be kept
	end   context.CancelCauseFunc
	stop  context.CancelFunc // ends extending
	kept  sync.WaitGroup
	lost  error // why the lease could not be kept, when kept is done
}

func (l *loop) hold(lease mq.Lease) *held {
	h := &held{Delivery: deliver(lease), lease: lease, taken: time.Now()}
	h.ctx, h.end = context.WithCancelCause(l.ctx)
	keeping, stop := context.WithCancel(context.WithoutCancel(l.ctx))
	h.stop = stop
	h.kept.Go(func() {
		if h.lost = l.keep(keeping, lease); h.lost != nil {
			h.end(h.lost)
			l.warn("lease was lost", h.Delivery, slog.Any("error", h.lost))
			l.report(h.Delivery, h.lost)
		}
	})
	return h
}

// settle ends the lease after an attempt that ended with err.
func (l *loop) settle(h *held, err error) {
	h.stop()
	h.kept.Wait()
	defer h.end(nil)
	switch {
	case err == nil:
		// Also if the lease is lost: the other holder may not have begun.
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
