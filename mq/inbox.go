package mq

import "io"

// An Exchange is a queue whose users can give each other an address for
// replies. Request-reply of package ipcmq/mux/rpc needs one.
type Exchange interface {
	Queue

	// NewInbox creates a queue for replies that is reached by its address only.
	NewInbox() (Inbox, error)

	// OpenInbox opens the inbox with the given address, to send to it. The
	// address may come from anyone who may send to the queue, so OpenInbox
	// refuses, with an error that matches [ErrNotInbox], every address that is
	// not an inbox: nobody can aim a program at another program's queue. An
	// inbox that is gone is fs.ErrNotExist.
	//
	// What it returns may be a [Checker], whose Check says whether anybody can still
	// receive: the error matches [ErrRemoved] if the inbox is gone, or the process
	// that made it has certainly ended.
	OpenInbox(address string) (SendCloser, error)
}

// A Checker is a queue that can be asked whether it still exists. Check returns
// nil, or an error that matches [ErrRemoved], or [ErrClosed] if the handle was
// closed. All queues of ipcmq are Checkers.
type Checker interface {
	Check() error
}

// A Meter is a queue that reports how full it is. Those of the kernel and those in
// memory are Meters.
type Meter interface {
	Usage() (Usage, error)
}

// Usage says how full a queue is. A message fits if it takes neither its
// messages nor its bytes above the most that there may be.
type Usage struct {
	Messages, MaxMessages int64
	Bytes, MaxBytes       int64 // of payload; MaxBytes is 0 where messages alone are counted
}

// An Inbox is a queue of one process, into which others put replies to it.
type Inbox interface {
	Queue

	// Address returns the text by which [Exchange.OpenInbox] finds the inbox,
	// at most 255 bytes.
	Address() string

	// Remove removes the inbox with what is in it.
	Remove() error
}

// A SendCloser is a queue to send to.
type SendCloser interface {
	Sender
	io.Closer
}
