package lease

import (
	"context"
	"log/slog"
)

// warn logs a message.
func (l *loop) warn(text string, d Delivery, more ...slog.Attr) {
	if l.cfg.Logger == nil {
		return
	}
	about := []slog.Attr{slog.Uint64("sequence", d.Sequence), slog.Int("attempt", d.Attempt), slog.Int64("type", d.Type)}
	l.cfg.Logger.LogAttrs(context.WithoutCancel(l.ctx), slog.LevelWarn, text, append(about, more...)...)
}

// reachable logs when a queue cannot be reached, and when it can again.
type reachable struct {
	logger *slog.Logger
	not    bool
}

// note records the result of a call of the queue.
func (r *reachable) note(ctx context.Context, err error) {
	if r.logger == nil {
		return
	}
	switch fails := err != nil && passes(err); {
	case fails && !r.not:
		r.not = true
		r.logger.LogAttrs(ctx, slog.LevelWarn, "queue cannot be reached", slog.Any("error", err))
	case err == nil && r.not:
		r.not = false
		r.logger.LogAttrs(ctx, slog.LevelInfo, "queue can be reached again")
	}
}
