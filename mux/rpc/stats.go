package rpc

import "sync/atomic"

// ClientStats is a snapshot of what a client has done since it was made.
type ClientStats struct {
	Sent     uint64
	Answered uint64 // with a reply or an error of the server; by the last one, if there are many

	// Replies that were for no request: discarded.
	Late      uint64 // the request had been given up
	Duplicate uint64 // the request had been answered
	Foreign   uint64 // of no request that this client has sent
}

// clientCounters are those of all inboxes that a client has had.
type clientCounters struct{ sent, answered, late, duplicate, foreign atomic.Uint64 }

// ServerStats counts what becomes of requests, see Config.Stats. It may be read
// at any time, and shared by several calls of Handle.
type ServerStats struct {
	Handled   atomic.Uint64 // given to a handler, which has ended
	Failed    atomic.Uint64 // of these, with an error
	Panicked  atomic.Uint64 // of these, with a panic
	Exited    atomic.Uint64 // of these, with the end of its goroutine
	Overrun   atomic.Uint64 // given to a handler that had not returned a second after the deadline
	Malformed atomic.Uint64 // messages that are no requests: discarded
	Expired   atomic.Uint64 // past their deadline, before or after they were handled: no reply
	Kept      atomic.Uint64 // replies that had to wait for room in the inbox
	Replies   atomic.Uint64 // of those that may be many for a request
	Left      atomic.Uint64 // given to a handler whose caller took not all of them
	Lost      atomic.Uint64 // replies that could not be sent
	Refused   atomic.Uint64 // of these, to an address that is not an inbox
}
