package follow

import (
	"context"
	"errors"
	"log/slog"

	"ipcmq/mq"
)

// log writes an event to the logger.
func (q *Queue) log(e Event) {
	if q.logger == nil {
		return
	}
	level, text, about := slog.LevelWarn, "queue cannot be opened", slog.Any("error", e.Err)
	switch {
	case e.Err == nil:
		level, text, about = slog.LevelInfo, "queue was opened again", slog.String("queue", e.Queue)
	case errors.Is(e.Err, mq.ErrRemoved):
		text, about = "queue is gone, and another is waited for", slog.String("queue", e.Queue)
	}
	q.logger.LogAttrs(context.Background(), level, text, about)
}
