package lease

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// attempt calls the handler, and after too many attempts DeadLetter.
func (l *loop) attempt(ctx context.Context, d Delivery) error {
	limit := l.cfg.MaxAttempts
	if limit > 0 && d.Attempt > limit {
		return l.bury(ctx, d, l.tooOften(d))
	}
	own := d
	if d.Attempt == limit {
		own.Data = bytes.Clone(d.Data) // so that DeadLetter gets it unchanged
	}
	return l.failed(ctx, d, l.handler.call(ctx, own))
}

// tooOften returns the error of a message that was lent too often.
func (l *loop) tooOften(d Delivery) error {
	err := fmt.Errorf("%w: attempt %d, MaxAttempts = %d", ErrAttempts, d.Attempt, l.cfg.MaxAttempts)
	l.mu.Lock()
	defer l.mu.Unlock()
	if reason := l.reasons[d.Sequence]; reason != nil {
		err = fmt.Errorf("%w; the last one failed with: %w", err, reason)
	}
	return err
}

// maxReasons limits how many reasons are kept, since other processes may make
// dead letters of these messages.
const maxReasons = 1000

// died keeps why the last attempt of a message failed, until it is a dead letter:
// then reason is nil.
func (l *loop) died(d Delivery, reason error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case reason == nil:
		delete(l.reasons, d.Sequence)
		return
	case len(l.reasons) >= maxReasons:
		clear(l.reasons)
	}
	l.reasons[d.Sequence] = reason
}

// failed reports the error of an attempt, if any, and buries the message if
// that was the last attempt.
func (l *loop) failed(ctx context.Context, d Delivery, err error) error {
	if err == nil || endedBy(ctx, err) {
		return err
	}
	l.report(d, err)
	if d.Attempt != l.cfg.MaxAttempts {
		return err
	}
	l.died(d, err)
	return l.bury(ctx, d, err)
}

// bury passes a message to DeadLetter, and returns its error.
func (l *loop) bury(ctx context.Context, d Delivery, err error) error {
	if ctx.Err() != nil {
		return err
	}
	dead := Handler(func(ctx context.Context, d Delivery) error { return l.cfg.DeadLetter(ctx, d, err) })
	failed := dead.call(ctx, d)
	if failed == nil {
		l.died(d, nil)
		l.warn("message is a dead letter", d, slog.Any("error", err))
	}
	if failed != nil && !endedBy(ctx, failed) {
		l.report(d, fmt.Errorf("dead letter: %w", failed))
	}
	return failed
}

// endedBy reports whether err says only that ctx has ended.
func endedBy(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx)))
}
