package rpc

import (
	"context"
	"errors"
	"log/slog"

	"ipcmq/mq"
)

// logRequest logs a request that was taken but not answered, or whose handler
// failed.
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
		text = "message is not a request"
	}
	logger.LogAttrs(ctx, slog.LevelWarn, text, slog.Int64("type", m.Type), slog.Int("size", len(m.Data)), slog.Any("error", why))
}

// logInbox logs that an inbox was created in place of a removed one.
func logInbox(ctx context.Context, logger *slog.Logger, address string) {
	if logger != nil {
		logger.LogAttrs(ctx, slog.LevelWarn, "inbox was removed, created another", slog.String("inbox", address))
	}
}
