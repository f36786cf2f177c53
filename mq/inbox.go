package mq

import "io"

// An Exchange is a queue whose users can give each other an address for
// replies. Request-reply of package ipcmq/mux/rpc needs one.
type Exchange interface {
	Queue

	// NewInbox creates a queue for replies that is reachable by its address
	// only.
	NewInbox() (Inbox, error)

	// OpenInbox opens the inbox with the given address, to send to it. The address
	// may come from anyone who may send to the queue, so OpenInbox refuses, with an
	// error that matches [ErrNotInbox], every address that is not an inbox: nobody
	// can make a program send to another program's queue. If the inbox no longer
	// exists the error matches fs.ErrNotExist.
	//
	// The result may be a [Checker], whose Check reports whether anybody can still
	// receive: the error matches [ErrRemoved] if the inbox is gone, or the process
	// that created it has certainly ended.
	OpenInbox(address string) (SendCloser, error)
}

// A Checker is a queue that can be asked whether it still exists. Check returns
// nil, or an error that matches [ErrRemoved], or [ErrClosed] if the handle was
// closed. All queues of ipcmq are Checkers.
type Checker interface {
	Check() error
}

// A Meter is a queue that reports how full it is. Kernel queues and in-memory
// queues are Meters.
type Meter interface {
	Usage() (Usage, error)
}

// Usage says how full a queue is. A message fits if it raises neither Messages
// nor Bytes above its maximum.
type Usage struct {
	Messages, MaxMessages int64
	Bytes, MaxBytes       int64 // of payload; MaxBytes is 0 if only messages are limited
}

// An Inbox is a queue of one process, to which others send replies.
type Inbox interface {
	Queue

	// Address returns the text by which [Exchange.OpenInbox] finds the inbox,
	// at most 255 bytes.
	Address() string

	// Remove removes the inbox and its messages.
	Remove() error
}

// A SendCloser is a queue to send to.
type SendCloser interface {
	Sender
	io.Closer
}
