package cli

import (
	"context"
	"errors"
	"log/slog"

	"github.com/spf13/cobra"

	"ipcmq/mq"
	"ipcmq/mq/large"
)

// largeHelp is the help of commands with --large.
const largeHelp = `With --large payloads can have up to 64 MiB (System V): those that do not fit into the
queue travel in shared memory, with a ticket of 32 bytes in the queue. All programs
that use the queue should then understand tickets: see package ipcmq/mq/large.`

// A largeFlag allows payloads that do not fit into the queue.
type largeFlag bool

func (l *largeFlag) add(c *cobra.Command) {
	c.Flags().BoolVar((*bool)(l), "large", false, "payloads of up to 64 MiB, through shared memory if necessary (System V)")
}

// wrap wraps a queue if the flag was given, and closes it if that fails.
func (l largeFlag) wrap(q mq.Exchange, err error) (mq.Exchange, error) {
	if err != nil || !l {
		return q, err
	}
	w, err := large.Wrap(q, &large.Config{Logger: slog.New(logHandler{})})
	if err != nil {
		q.Close()
		if errors.Is(err, errors.ErrUnsupported) {
			err = usagef("--large: only System V queues can have payloads in shared memory")
		}
		return nil, err
	}
	return w, nil
}

// A logHandler writes log records to standard error.
type logHandler struct{}

func (logHandler) Enabled(context.Context, slog.Level) bool { return true }
func (t logHandler) WithAttrs([]slog.Attr) slog.Handler     { return t }
func (t logHandler) WithGroup(string) slog.Handler          { return t }

func (logHandler) Handle(_ context.Context, r slog.Record) error {
	why := ""
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "reason" {
			why = a.Value.String()
		}
		return true
	})
	logLine("ipcmq: %s: %s", r.Message, why)
	return nil
}
