package mq

import (
	"context"
	"time"
)

// A Clocked is a queue with a clock that all of its users can read, whatever the
// clocks of their hosts say, so that a time means the same to all of them.
// Package ipcmq/mux/rpc sends deadlines as times of this clock.
type Clocked interface {
	// Clock reads the clock. The error matches [errors.ErrUnsupported] if this
	// process cannot read it. For a queue on another host this may take a
	// request, which lasts until ctx ends at most.
	Clock(ctx context.Context) (ClockTime, error)
}

// A ClockTime is a time by the clock of a queue. Times with the same ID can be
// compared, even if different processes read them; times with different IDs
// cannot.
type ClockTime struct {
	ID [16]byte // all zeros for no time

	// Time is the time since some moment, which is the same for all times
	// with this ID.
	Time time.Duration
}
