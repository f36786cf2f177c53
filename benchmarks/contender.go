package main

import (
	"context"
	"errors"

	"ipcmq/mq"
)

// A contender is one way to do the work of a contest.
type contender struct {
	name string
	kind kind

	// tag is the build tag of the program that has it, empty for this program.
	tag string

	oneWay bool // it supports only one-way work
	lends  bool // it lends messages and acknowledges each; it does nothing else
	large  bool // its messages may be large

	// header is the maximum size of a message without its payload, in bytes.
	header int

	// meet creates the meeting of the processes of one run; nil means the queues
	// of the contest's backend.
	meet func(ctx context.Context, b *bench, j *job) (meeting, error)

	// open opens the end of the process that does j.
	open func(ctx context.Context, j job) (end, error)
}

// A kind is the relation of a contender to the library.
type kind string

const (
	inC         kind = "C"
	ours        kind = "ipcmq"
	peer        kind = "peer"        // another library for the same queues
	alternative kind = "alternative" // used instead of queues
)

// An end is where one process sends and receives. It has the functions that its role
// needs.
type end struct {
	sender mqSender

	// flush, if not nil, sends the messages that sender still holds.
	flush func(context.Context) error

	// receive gives the payloads to handle, in order, until handle returns false.
	// They are handle's only during the call.
	receive func(ctx context.Context, handle func(data []byte) bool) error

	// call sends a request and returns the reply; several goroutines may call it
	// at once. serve answers n requests with their own payload.
	call  func(ctx context.Context, data []byte) (reply []byte, err error)
	serve func(ctx context.Context, n int) error

	close func() error // nil if there is nothing to close

	frames *frames // of a conn that can buffer, or nil
}

// mqSender is the part of mq.Sender that is needed here.
type mqSender interface {
	Send(context.Context, mq.Message) error
}

// sendFunc is a function that sends a payload.
type sendFunc func(ctx context.Context, data []byte) error

func (f sendFunc) Send(ctx context.Context, m mq.Message) error { return f(ctx, m.Data) }

// addresses returns the addresses to which a process of this role sends, and from
// which it receives.
func (j job) addresses() (out, in string) {
	switch j.Role {
	case echo, take, serve:
		return j.Back, j.There
	}
	return j.There, j.Back
}

// ends closes several things.
func ends(closers ...func() error) func() error {
	return func() error {
		var errs []error
		for _, c := range closers {
			errs = append(errs, c())
		}
		return errors.Join(errs...)
	}
}

// can reports whether the contender supports work of a shape.
func (c contender) can(s shape) bool {
	if c.lends != s.lends || s.large && !c.large || c.oneWay && s.ours[0].role != take {
		return false
	}
	return c.kind != peer || s.ours[0].role != ask // peers have no requests
}
