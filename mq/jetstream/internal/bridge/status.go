package bridge

import (
	"errors"
	"fmt"
	"io"
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

// report writes err as one line and returns the exit status.
func report(w io.Writer, err error) int {
	s := status(err)
	if err != nil {
		text := strings.ReplaceAll(strings.TrimSpace(explain(err)), "\n", "; ")
		if s == statusUsage {
			text += " (see ipcmq-bridge -h)"
		}
		writeLine(w, text)
	}
	return s
}

// writeLine writes text, which may have words of servers and peers in it, so
// that it cannot command a terminal.
func writeLine(w io.Writer, text string) {
	fmt.Fprintf(w, "ipcmq-bridge: %s\n", visible.Line(text))
}

// explain returns the text of err without the prefix of the library.
func explain(err error) string {
	var e *mq.Error
	if errors.As(err, &e) {
		return strings.Replace(err.Error(), e.Error(), strings.TrimPrefix(e.Error(), "mq: "), 1)
	}
	return err.Error()
}
