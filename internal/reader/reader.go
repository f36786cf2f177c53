// Package reader is the receiving loop that stream and mux share: a goroutine
// that takes messages from a queue and passes them to a function, which puts
// them directly into the channel of its consumer. There is no other goroutine
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

// isRemote reports whether q is on another host: polling it takes as long as
// receiving from it, and may fail for a while.
func isRemote(q mq.Queue) bool { return q.Capabilities().Remote }

// A Consumer gets the messages of a Reader. Its functions are called in the
// goroutine of the loop, which takes nothing while Deliver or Ended runs.
type Consumer struct {
	// Room returns how many messages the loop may take, all in all, before it
	// delivers them, see [Room]. Less than 1 means 1.
	Room func() int

	// Deliver gets messages, one or more. It does not keep the slice.
	Deliver func(taken []mq.Message)

	// Ended is called once, after the last message: with the error that ended
	// the loop, or nil after [Reader.Stop].
	Ended func(error)
}

// Room returns what a [Consumer] of q answers for its channel.
//
// Waking a consumer that has caught up takes as long as receiving some twenty
// messages, so it gets as many at once as its channel holds. One that is behind
// is awake and gets each at once; but from another host, as many as have room, since
// there each call takes long.
func Room(q mq.Queue) func(ch <-chan mq.Message) int {
	remote := isRemote(q)
	return func(ch <-chan mq.Message) int {
		if len(ch) > 0 && !remote {
			return 1
		}
		return cap(ch) - len(ch)
	}
}

// Start begins to take messages of q from r, which q selects, polling for spin
// before each wait.
func Start(q mq.Queue, r mq.Receiver, spin time.Duration, to Consumer) *Reader {
	ctx, cancel := context.WithCancel(context.Background())
	reader := &Reader{stop: cancel, done: make(chan struct{})}
	loop := loop{receiver: r, waiting: Polling(r, spin), remote: isRemote(q), to: to}
	go func() {
		defer close(reader.done)
		defer cancel()
		err := loop.run(ctx)
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			err = nil
		}
		to.Ended(err)
	}()
	return reader
}

// Stop makes the loop take no more messages. It returns immediately; messages
// already taken are still delivered.
func (r *Reader) Stop() { r.stop() }

// Done returns a channel that is closed when Ended has returned.
func (r *Reader) Done() <-chan struct{} { return r.done }

// Limits of what is taken before it is delivered: for the sake of the first of
// them, which waits meanwhile, and of memory.
const (
	maxAhead  = 1024
	maxBytes  = 64 << 10
	maxRemote = 1 << 20 // bytes, from another host; it may be exceeded where messages become larger
)

type loop struct {
	receiver mq.Receiver
	waiting  mq.Receiver // the same, polling before it waits
	remote   bool
	to       Consumer
	taken    []mq.Message
	ahead    int // how many to take, if there is room and they are there
}

// run takes messages as fast as it can, and waits when there are none. While it
// does not have to wait it takes more and more before it delivers.
func (l *loop) run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := error(mq.ErrEmpty)
		if !l.remote {
			err = l.take(ctx)
		}
		if len(l.taken) == 0 && errors.Is(err, mq.ErrEmpty) {
			// Let the consumer run first: it then runs on this thread and
			// need not be woken on another, which takes longer than the call
			// below.
			runtime.Gosched()
			err = l.await(ctx)
		}
		if len(l.taken) > 0 {
			l.to.Deliver(l.taken)
			clear(l.taken)
			l.taken = l.taken[:0]
		}
		if err != nil && !errors.Is(err, mq.ErrEmpty) {
			return err
		}
	}
	return ctx.Err()
}

// await takes a message, waiting for it; from another host, more and more with it
// while there are so many.
func (l *loop) await(ctx context.Context) error {
	if !l.remote {
		l.ahead /= 8
		m, err := l.waiting.Receive(ctx)
		if err == nil {
			l.taken = append(l.taken, m)
		}
		return err
	}
	n := max(1, min(l.ahead, l.to.Room()))
	got, err := mq.ReceiveBatch(ctx, l.receiver, n)
	bytes := 0
	for _, m := range got {
		bytes += len(m.Data)
	}
	l.taken = append(l.taken, got...)
	switch {
	case bytes > maxRemote:
		l.ahead = len(got) / 2
	case len(got) == n && bytes < maxRemote/2:
		l.ahead = min(2*max(1, l.ahead), maxAhead)
	}
	return err
}

// take takes the messages that are there: one at first, and each time up to
// twice as many.
func (l *loop) take(ctx context.Context) error {
	n := max(1, l.ahead)
	l.ahead = min(2*n, maxAhead)
	for bytes := 0; len(l.taken) < n && bytes < maxBytes && ctx.Err() == nil; {
		if len(l.taken) > 0 && len(l.taken) >= l.to.Room() {
			break
		}
		l.taken = append(l.taken, mq.Message{})
		last := len(l.taken) - 1
		if err := l.receiver.TryReceiveInto(&l.taken[last]); err != nil {
			l.taken = l.taken[:last]
			return err
		}
		bytes += len(l.taken[last].Data)
	}
	return nil
}
