package mq

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// Errors that decide what a caller does next; test for them with [errors.Is].
// Errors of queues also match fs.ErrExist, fs.ErrNotExist, fs.ErrPermission,
// errors.ErrUnsupported, the errors of context, and the errno, where they apply.
var (
	// ErrClosed: the handle was closed. It is os.ErrClosed.
	ErrClosed = os.ErrClosed

	// ErrRemoved: the queue no longer exists in the kernel.
	ErrRemoved = errors.New("queue was removed")

	// ErrFull: a Try call found no room.
	ErrFull = errors.New("queue is full")

	// ErrEmpty: a Try call found no message that the selector matches.
	ErrEmpty = errors.New("no message")

	// ErrTooLarge: the message exceeds a limit and can never be sent as it is.
	ErrTooLarge = errors.New("message is too large")

	// ErrInvalidType: a message type outside the range of the queue.
	ErrInvalidType = errors.New("invalid message type")

	// ErrInvalidPriority: a priority above the highest of the queue.
	ErrInvalidPriority = errors.New("invalid message priority")

	// ErrNotInbox: an address for replies that does not name an inbox.
	ErrNotInbox = errors.New("not an inbox")

	// ErrUnavailable: the queue cannot be reached now, for example because its
	// server is down; it was not touched. Kernel queues never return it.
	ErrUnavailable = errors.New("queue is unavailable")

	// ErrInDoubt: the answer was lost, so the operation may or may not have
	// happened. Kernel queues never return it.
	ErrInDoubt = errors.New("in doubt whether it happened")

	// ErrLeaseOver: a lease has run out, and the message has since been lent
	// to another receiver or settled.
	ErrLeaseOver = errors.New("the lease is over")

	// ErrTooManyThreads: a call would have to wait in the kernel, where the
	// largest allowed number of threads of this process already wait.
	ErrTooManyThreads = errors.New("too many threads wait")

	// ErrInvalidConfig: a configuration or argument that is contradictory or out of
	// range.
	ErrInvalidConfig = errors.New("invalid configuration")

	// ErrUnread: messages that were taken from the queue for a channel were not
	// read before it was closed. Unread, of a stream, a subscription or a mux,
	// returns them.
	ErrUnread = errors.New("messages were not read")
)

// A PanicError is the error of a handler that panicked.
type PanicError struct {
	Value any    // what was passed to panic
	Stack []byte // as debug.Stack returns it
}

// Error returns the text of the value that was passed to panic.
func (e *PanicError) Error() string { return fmt.Sprintf("handler panicked: %v", e.Value) }

// Unwrap returns the value that was passed to panic if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// An Error says which operation failed, on which queue and why. Errors are
// not changed once returned, and may be returned more than once.
type Error struct {
	Op     string // what was tried, such as "send"
	Queue  string // the queue, as its String method names it; may be empty
	Kind   error  // a sentinel that a caller can act on, or nil
	Err    error  // the cause: an errno, an error of context; or nil
	Detail string // the value at fault, the current limit, and what to do; may be empty
}

// Error returns the text "mq: op queue: reason".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("mq: ")
	b.WriteString(e.Op)
	if e.Queue != "" {
		b.WriteString(" " + e.Queue)
	}
	switch {
	case e.Detail != "":
		b.WriteString(": " + e.Detail)
		if e.Kind == nil && e.Err != nil {
			b.WriteString(": " + e.Err.Error())
		}
	case e.Kind != nil:
		b.WriteString(": " + e.Kind.Error())
	case e.Err != nil:
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns Kind and Err, so that [errors.Is] finds either.
func (e *Error) Unwrap() []error {
	switch {
	case e.Kind == nil && e.Err == nil:
		return nil
	case e.Kind == nil:
		return []error{e.Err}
	case e.Err == nil:
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// Is reports whether target is Kind. Unwrap alone would do, but it allocates a
// slice for each comparison, which slows loops that poll.
func (e *Error) Is(target error) bool { return e.Kind != nil && e.Kind == target }
