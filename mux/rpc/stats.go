package rpc

import "sync/atomic"

// ClientStats is a snapshot of what a client has done since it was created.
type ClientStats struct {
	Sent     uint64
	Answered uint64 // with a reply or an error of the server; counted at the last one if there are many

	// Replies that matched no pending request, and were discarded.
	Late      uint64 // the request had been given up
	Duplicate uint64 // the request had been answered
	Foreign   uint64 // the client never sent such a request
}

// clientCounters are the counters of all inboxes that a client has had.
type clientCounters struct{ sent, answered, late, duplicate, foreign atomic.Uint64 }

// ServerStats counts requests and replies, see Config.Stats. It may be read at
// any time, and shared by several calls of Handle.
type ServerStats struct {
	Handled   atomic.Uint64 // requests whose handler has ended
	Failed    atomic.Uint64 // of these, with an error
	Panicked  atomic.Uint64 // of these, with a panic
	Exited    atomic.Uint64 // of these, with the end of its goroutine
	Overrun   atomic.Uint64 // requests whose handler had not returned a second after the deadline
	Malformed atomic.Uint64 // messages that are not requests: discarded
	Expired   atomic.Uint64 // past their deadline, before or after they were handled: no reply
	Kept      atomic.Uint64 // replies that had to wait for room in the inbox
	Replies   atomic.Uint64 // replies sent by Repliers
	Left      atomic.Uint64 // requests whose caller did not take all replies
	Lost      atomic.Uint64 // replies that could not be sent
	Refused   atomic.Uint64 // of these, to an address that is not an inbox
}
