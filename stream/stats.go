package stream

import (
	"sync/atomic"
	"time"
)

// Stats is a snapshot of what a stream has done since it was started.
type Stats struct {
	Received  uint64        // messages taken from the queue
	Delivered uint64        // messages put into the channel
	Bytes     uint64        // bytes of payload taken
	Blocked   time.Duration // time spent waiting for room in the channel
	Buffered  int           // messages in the channel now
}

type counters struct {
	received, delivered, bytes atomic.Uint64
	blocked                    atomic.Int64 // nanoseconds, of waits that are over
	blockedSince               atomic.Int64 // when the wait of now began, in nanoseconds since 1970, or 0
}

// Stats returns a snapshot of the stream's counters. Each is exact, but
// messages may move while they are read one after the other.
func (s *Stream) Stats() Stats {
	c := &s.counters
	st := Stats{
		Delivered: c.delivered.Load(),
		Received:  c.received.Load(),
		Bytes:     c.bytes.Load(),
		Blocked:   time.Duration(c.blocked.Load()),
		Buffered:  len(s.messages),
	}
	if since := c.blockedSince.Load(); since != 0 {
		st.Blocked += time.Since(time.Unix(0, since))
	}
	return st
}
