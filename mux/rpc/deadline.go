package rpc

import (
	"context"
	"fmt"
	"time"

	"ipcmq/mq"
)

// setDeadline gives a request the deadline of ctx, by the clock of the queue if it
// has one, and by the wall clock of this host for servers that cannot read the other
// one.
func (h *header) setDeadline(ctx context.Context, clock mq.Clocked) {
	deadline, ok := ctx.Deadline()
	if !ok || !deadline.Before(noDeadline) {
		return
	}
	h.deadline = deadline
	if clock == nil {
		return
	}
	if now, err := clock.Clock(ctx); err == nil {
		h.due = mq.ClockTime{ID: now.ID, Time: now.Time + time.Until(deadline)}
	}
}

// A limit is when a request is due, as this process sees it.
type limit struct {
	at      time.Time // zero for never; with a monotonic reading, so that setting a clock does not change it
	guessed bool      // by wall clocks, which may differ or have been set
}

// limitOf returns when a request is due.
func limitOf(ctx context.Context, h header, clock mq.Clocked) limit {
	now := time.Now()
	if h.due.ID != ([16]byte{}) && clock != nil {
		if t, err := clock.Clock(ctx); err == nil && t.ID == h.due.ID {
			now = time.Now()
			return limit{at: now.Add(max(h.due.Time, 0) - t.Time)}
		}
	}
	if h.deadline.IsZero() {
		return limit{}
	}
	return limit{at: now.Add(h.deadline.Sub(now)), guessed: true}
}

// late says how late it is.
func (l limit) late() string {
	text := fmt.Sprintf("%v after its deadline", time.Since(l.at).Round(time.Millisecond))
	if l.guessed {
		text += ", by the wall clocks of client and server, which may differ"
	}
	return text
}
