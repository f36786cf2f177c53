package rpc

import (
	"context"
	"errors"
	"log/slog"

	"ipcmq/mq"
)

// logRequest tells a logger of a request that was taken and not answered, or whose
// handler did not do what it should.
func logRequest(ctx context.Context, logger *slog.Logger, m mq.Message, why error) {
	if logger == nil {
		return
	}
	text := "handler failed"
	switch {
	case errors.Is(why, ErrReplyLost):
		text = "reply was given up"
	case errors.Is(why, ErrExpired):
		text = "request came too late"
	case errors.Is(why, ErrNotRequest):
		text = "message was no request"
	}
	logger.LogAttrs(ctx, slog.LevelWarn, text, slog.Int64("type", m.Type), slog.Int("size", len(m.Data)), slog.Any("error", why))
}

// logInbox tells a logger of an inbox that was made in place of one that somebody
// has removed.
func logInbox(ctx context.Context, logger *slog.Logger, address string) {
	if logger != nil {
		logger.LogAttrs(ctx, slog.LevelWarn, "inbox was removed, and another made", slog.String("inbox", address))
	}
}
