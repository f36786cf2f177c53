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
	level, text, attr := slog.LevelWarn, "queue cannot be opened", slog.Any("error", e.Err)
	switch {
	case e.Err == nil:
		level, text, attr = slog.LevelInfo, "queue was opened again", slog.String("queue", e.Queue)
	case errors.Is(e.Err, mq.ErrRemoved):
		text, attr = "queue is gone, waiting for another", slog.String("queue", e.Queue)
	}
	q.logger.LogAttrs(context.Background(), level, text, attr)
}
