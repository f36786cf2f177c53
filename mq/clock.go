package mq

import (
	"context"
	"time"
)

// A Clocked is a queue with a clock that all who use the queue can read, whatever
// the clocks of their hosts say, so that a time means the same to all of them.
// Deadlines of package ipcmq/mux/rpc travel by it.
type Clocked interface {
	// Clock reads the clock. The error matches [errors.ErrUnsupported] if this
	// process cannot know it; a queue on another host may have to be asked, until
	// ctx ends.
	Clock(ctx context.Context) (ClockTime, error)
}

// A ClockTime is a time by the clock of a queue. Times of the same ID can be
// compared, also if they were read in different processes; others mean nothing to
// each other.
type ClockTime struct {
	ID [16]byte // all zeros for no time

	// Time is the time since some moment, the same for all of this ID.
	Time time.Duration
}
