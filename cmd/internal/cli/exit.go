package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"ipcmq/internal/address"
	"ipcmq/mq"
)

// Exit statuses.
const (
	statusDone    = 0
	statusFailed  = 1
	statusUsage   = 2
	statusNothing = 3 // no message, or no room, in time
)

// A usageError is a mistake on the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errReported stands for errors that have been reported to the user already.
var errReported = errors.New("failed")

// status returns the exit status for err.
func status(err error) int {
	var usage usageError
	var refused syscall.Errno
	switch {
	case err == nil:
		return statusDone
	case errors.As(err, &usage), errors.Is(err, mq.ErrInvalidType), errors.Is(err, mq.ErrInvalidPriority),
		errors.Is(err, mq.ErrInvalidConfig) && !errors.As(err, &refused): // a kernel limit, which may change
		return statusUsage
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, mq.ErrEmpty), errors.Is(err, mq.ErrFull):
		return statusNothing
	}
	return statusFailed
}

// report writes err as one line and returns the exit status.
func report(err error) int {
	s := status(err)
	if err == nil || err == errReported {
		return s
	}
	text := strings.ReplaceAll(strings.TrimSpace(explain(err)), "\n", "; ")
	logLine("ipcmq: %s", text)
	return s
}

// explain returns the text of err in the terms of the command line, with addresses
// of queues.
func explain(err error) string {
	var e *mq.Error
	if !errors.As(err, &e) {
		if errors.Is(err, context.Canceled) {
			return strings.Replace(err.Error(), context.Canceled.Error(), "interrupted", 1)
		}
		return err.Error()
	}
	about, queue := e.Op, e.Queue
	if strings.HasPrefix(queue, "/") {
		queue = address.OfName(queue).String()
	}
	var remote *remoteError
	at := ""
	if errors.As(err, &remote) && remote.servers.names[queue] {
		queue, at = jetstreamPrefix+queue, remote.servers.where()
	}
	if queue != "" {
		about += " " + queue
	}
	if at != "" {
		about += " at " + at
	}
	reason, state := "", ""
	if after, ok := strings.CutPrefix(e.Detail, context.DeadlineExceeded.Error()); ok {
		state = after // of the queue, after a semicolon
	}
	switch {
	case errors.Is(e, context.Canceled):
		reason = "interrupted"
	case errors.Is(e, context.DeadlineExceeded) && e.Op == "send":
		reason = "there was no room in time" + state
	case errors.Is(e, context.DeadlineExceeded):
		reason = "nothing came in time" + state
	case errors.Is(e, mq.ErrEmpty) && e.Op == "receive":
		reason = "there is no message"
	case errors.Is(e, mq.ErrFull):
		reason = "the queue is full"
	case errors.Is(e, fs.ErrNotExist) && e.Op == "open":
		reason = "there is no such queue (ipcmq ls lists queues, ipcmq create creates one)"
	case errors.Is(e, fs.ErrExist) && e.Op == "open":
		reason = "the queue exists already"
	}
	text := strings.TrimPrefix(e.Error(), "mq: ")
	if at != "" {
		reason = remoteReason(e, strings.Replace(reason, "ipcmq ls", "ipcmq ls js:", 1))
	} else if queue != e.Queue {
		text = strings.ReplaceAll(text, e.Queue, queue)
	}
	if reason != "" {
		text = about + ": " + reason
	} else if detail, ok := strings.CutPrefix(text, about+": "); ok {
		text = about + ": " + inFlags(detail)
	}
	return strings.Replace(err.Error(), e.Error(), text, 1)
}

// inFlags replaces the names of the libraries' settings with those of flags.
var inFlags = strings.NewReplacer(
	"raise it with Set;", "raise it with ipcmq set ADDR --capacity BYTES;",
	"set Capacity to", "set --capacity to",
	"see Config.MaxMessageSize", "see ipcmq create --max-message-size",
	"MaxMessageSize = ", "--max-message-size ",
	"MaxBytes = ", "--capacity ",
	"Queue.Set raises it", "ipcmq set ADDR --capacity raises it",
	"Replicas = ", "--replicas ",
	"AckWait = ", "--ack-wait ",
	"Mode = claim mode, but the queue exists with lease mode", "--mode claim, but the queue exists with --mode lease",
	"Mode = lease mode, but the queue exists with claim mode", "--mode lease, but the queue exists with --mode claim",
	"leave Mode out", "leave --mode out",
	"Storage = memory, but the queue exists with file; leave Storage out", "--memory, but the queue exists on disk; leave --memory out",
	" (see Config.NATS)", " (ipcmq help says how to log in)",
	"MaxMessages = ", "--max-messages ",
	"MaxMessageSize", "--max-message-size",
	"MaxMessages", "--max-messages",
	"Capacity = ", "--capacity ",
	" (raise RLIMIT_NOFILE with ulimit -n, or set Config.Blocking)", " (raise RLIMIT_NOFILE with ulimit -n)",
	" (raise fs.epoll.max_user_watches, or set Config.Blocking)", " (raise fs.epoll.max_user_watches)",
).Replace
