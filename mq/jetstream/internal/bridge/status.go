package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"ipcmq/internal/visible"
	"ipcmq/mq"
)

// Exit statuses, as those of the command ipcmq.
const (
	statusDone   = 0
	statusFailed = 1
	statusUsage  = 2
)

// A usageError is a mistake on the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// status returns the exit status for err.
func status(err error) int {
	var usage usageError
	switch {
	case err == nil:
		return statusDone
	case errors.As(err, &usage), errors.Is(err, mq.ErrInvalidConfig):
		return statusUsage
	}
	return statusFailed
}

// report logs err and returns the exit status.
func report(err error) int {
	s := status(err)
	if err != nil {
		text := strings.ReplaceAll(strings.TrimSpace(explain(err)), "\n", "; ")
		if s == statusUsage {
			text += " (see ipcmq-bridge -h)"
		}
		logger.Error(text)
	}
	return s
}

// logger reports what the bridge does. Main may set another one before anything uses
// it.
var logger = slog.New(lines{os.Stderr})

// lines writes the text of records as lines for people. It may contain text from
// servers and peers, which must not control a terminal.
type lines struct{ w io.Writer }

func (l lines) Enabled(context.Context, slog.Level) bool { return true }
func (l lines) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l lines) WithGroup(string) slog.Handler            { return l }

func (l lines) Handle(_ context.Context, r slog.Record) error {
	_, err := fmt.Fprintf(l.w, "ipcmq-bridge: %s\n", visible.Line(r.Message))
	return err
}

// warn reports something that needs attention.
func warn(format string, args ...any) { logger.Warn(fmt.Sprintf(format, args...)) }

// inform reports normal events.
func inform(format string, args ...any) { logger.Info(fmt.Sprintf(format, args...)) }

// explain returns the text of err without the prefix of the library.
func explain(err error) string {
	var e *mq.Error
	if errors.As(err, &e) {
		return strings.Replace(err.Error(), e.Error(), strings.TrimPrefix(e.Error(), "mq: "), 1)
	}
	return err.Error()
}
