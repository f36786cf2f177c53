// Package reader is the receiving loop that stream and mux share: a goroutine
// that takes messages from a queue and hands them to a function, which puts them
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

// Spin returns how long to poll q before each wait, where a user has asked for
// spin: 0 for the default, less for not at all. What is on another host is never
// polled, and by default nothing is where a sender could not run meanwhile.
func Spin(q mq.Queue, spin time.Duration) time.Duration {
	switch {
	case spin < 0 || q.Capabilities().InDoubt || spin == 0 && runtime.NumCPU() == 1:
		return 0
	case spin == 0:
		return mq.DefaultSpin
	}
	return spin
}

// A Deliver function gives messages, one or more, to their consumers and returns
// how many to take at most before it is called again. It does not keep the slice.
type Deliver func(taken []mq.Message) (ahead int)

// maxAhead is how many messages are gathered at most.
const maxAhead = 1024

// Ahead returns what a [Deliver] function answers that has put messages into a
// channel, with so many before them, of a consumer.
//
// Waking a consumer that had caught up takes as long as receiving some twenty
// messages, so it gets many at once. One that is behind gets each at once: what
// it has no use for now is better left in the queue, where others may take it.
func Ahead(behind, buffer int) int {
	if behind > 0 {
		return 1
	}
	return min(8*buffer, maxAhead)
}

// Start begins to take messages from r, polling for spin before each wait. It
// calls deliver with what it took, and ended once, after the last message: with
// the error that ended the loop, or nil after [Reader.Stop]. Both are called in
// the goroutine of the loop, which takes nothing while they run.
func Start(r mq.Receiver, spin time.Duration, deliver Deliver, ended func(error)) *Reader {
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

// Stop makes the loop take no more messages. It returns at once; what is taken
// already is still delivered.
func (r *Reader) Stop() { r.stop() }

// Done returns a channel that is closed when ended has returned.
func (r *Reader) Done() <-chan struct{} { return r.done }

// run takes what is there as fast as it can and waits, with waiting, when
// nothing is. While it does not have to wait it takes more and more, as deliver
// allows, before it delivers.
func run(ctx context.Context, r, waiting mq.Receiver, deliver Deliver) error {
	var taken []mq.Message
	ahead, allowed := 0, 1 // 0: the first two come alone, to see how fast the consumer is
	for ctx.Err() == nil {
		var err error
		taken, err = take(ctx, r, taken[:0], max(1, min(ahead, allowed)))
		ahead = min(max(1, 2*ahead), maxAhead)
		if len(taken) == 0 && errors.Is(err, mq.ErrEmpty) {
			// The consumer first: it then runs on this thread and need not be
			// woken on another, which takes longer than the call below.
			runtime.Gosched()
			var m mq.Message
			if m, err = waiting.Receive(ctx); err == nil {
				taken = append(taken, m)
			}
			ahead /= 8
		}
		if len(taken) > 0 {
			allowed = deliver(taken)
			clear(taken)
		}
		if err != nil && !errors.Is(err, mq.ErrEmpty) {
			return err
		}
	}
	return ctx.Err()
}

// take appends to taken what is there, up to n messages.
func take(ctx context.Context, r mq.Receiver, taken []mq.Message, n int) ([]mq.Message, error) {
	for len(taken) < n && ctx.Err() == nil {
		m, err := r.TryReceive()
		if err != nil {
			return taken, err
		}
		taken = append(taken, m)
	}
	return taken, nil
}
