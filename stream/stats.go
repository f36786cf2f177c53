package stream

import (
	"sync"
	"sync/atomic"
	"time"

	"ipcmq/mq"
)

// Stats is a snapshot of what a stream has done since it was started.
type Stats struct {
	Received  uint64        // messages taken from the queue, counted when they are passed on to the channel
	Delivered uint64        // messages put into the channel
	Bytes     uint64        // bytes of payload taken
	Blocked   time.Duration // time spent waiting for room in the channel
	Buffered  int           // messages in the channel now
}

type counters struct {
	received, delivered, bytes atomic.Uint64

	mu           sync.Mutex
	blocked      time.Duration // of the waits that are over
	blockedSince time.Time     // when the current wait began, or zero
}

func (c *counters) take(messages []mq.Message) {
	var bytes uint64
	for _, m := range messages {
		bytes += uint64(len(m.Data))
	}
	c.bytes.Add(bytes)
	c.received.Add(uint64(len(messages)))
}

func (c *counters) block() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.blockedSince = time.Now()
}

func (c *counters) unblock() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.blocked += time.Since(c.blockedSince)
	c.blockedSince = time.Time{}
}

func (c *counters) blockedTime() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.blockedSince.IsZero() {
		return c.blocked
	}
	return c.blocked + time.Since(c.blockedSince)
}

// Stats returns a snapshot of the stream's counters. Messages may move while
// they are read one after the other.
func (s *Stream) Stats() Stats {
	c := &s.counters
	return Stats{
		Delivered: c.delivered.Load(),
		Received:  c.received.Load(),
		Bytes:     c.bytes.Load(),
		Blocked:   c.blockedTime(),
		Buffered:  len(s.messages),
	}
}
