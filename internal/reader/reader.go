// Package reader is the receiving loop that stream and mux share: a goroutine
// that takes messages from a queue and hands each to a function, which puts it
// straight into the channel of its consumer. There is no other goroutine
// between the kernel and the consumer, since every hop can cost the time it
// takes to wake a processor.
package reader

import (
	"context"
	"errors"
	"runtime"
	"time"

	"ipcmq/mq"
)

// A Reader is a running loop.
type Reader struct {
	stop context.CancelFunc
	done chan struct{}
}

// Start begins to take messages from r, polling for spin before each wait. It
// calls deliver with each message, and ended once, after the last one: with the
// error that ended the loop, or nil after [Reader.Stop]. Both are called in the
// goroutine of the loop, which takes nothing while they run.
func Start(r mq.Receiver, spin time.Duration, deliver func(mq.Message), ended func(error)) *Reader {
	ctx, cancel := context.WithCancel(context.Background())
	reader := &Reader{stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(reader.done)
		defer cancel()
		err := run(ctx, r, mq.Spin(r, spin), deliver)
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			err = nil
		}
		ended(err)
	}()
	return reader
}

// Stop makes the loop take no more messages. It returns at once; a message that
// is taken already is still delivered.
func (r *Reader) Stop() { r.stop() }

// Done returns a channel that is closed when ended has returned.
func (r *Reader) Done() <-chan struct{} { return r.done }

// run takes what is there as fast as it can and waits, with waiting, when
// nothing is.
func run(ctx context.Context, r, waiting mq.Receiver, deliver func(mq.Message)) error {
	for ctx.Err() == nil {
		m, err := r.TryReceive()
		if errors.Is(err, mq.ErrEmpty) {
			// The consumer first: it then runs on this thread and need not be
			// woken on another, which takes longer than the call below.
			runtime.Gosched()
			m, err = waiting.Receive(ctx)
		}
		if err != nil {
			return err
		}
		deliver(m)
	}
	return ctx.Err()
}
