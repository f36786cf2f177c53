package bridge

import (
	"context"
	"errors"
	"sync"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/mux/rpc"
)

const (
	// backWait is how long a message in hand may take to be put or given back.
	backWait = 2 * time.Second

	// lookEvery is how often the bridge checks whether its queues still exist: while
	// it waits for messages it would not notice that the other queue is gone.
	lookEvery = time.Second
)

// A bridge forwards messages.
type bridge struct {
	from, to queue
	selector mq.Selector
	convert  func(mq.Message) (mq.Message, error)

	ctx  context.Context // ends when the bridge must take no more
	last context.Context // ends when the message in hand must be put back

	forwarded int
	putBack   int
	again     int // sent again because of doubt, and so perhaps twice
	repeated  int // came again after they were sent, and were only acknowledged

	known *known // what was lent and sent
}

// run forwards as s says until ctx ends.
func run(ctx context.Context, s *settings) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	b := &bridge{selector: s.selector.Selector, convert: kept, ctx: ctx, known: newKnown()}
	switch {
	case s.from.posix():
		b.convert = typed
	case s.to.posix():
		b.convert = prioritized
	}
	var err error
	// The kernel's queue first: a mistake there need not wait for a server. A
	// message may have to be put back, so from must allow sending too.
	open := []func() error{
		func() (err error) { b.from, err = s.open(ctx, s.from, mq.ReadWrite); return err },
		func() (err error) { b.to, err = s.open(ctx, s.to, mq.WriteOnly); return err },
	}
	if s.from.jetstream() {
		open[0], open[1] = open[1], open[0]
	}
	for _, f := range open {
		if err = f(); err != nil {
			break
		}
	}
	defer b.close()
	if err != nil {
		return unlessEnded(ctx, err)
	}

	last, cancel := context.WithCancel(context.Background())
	defer cancel()
	b.last = last
	context.AfterFunc(ctx, func() { time.AfterFunc(s.grace, cancel) })

	if s.verbose {
		inform("forwarding from %v to %v", s.from, s.to)
	}
	var watcher sync.WaitGroup
	watcher.Go(func() { b.watch(end) })
	forward := b.relay
	if q, ok := b.from.exchange.(*jetstream.Queue); ok && q.Mode() == jetstream.LeaseMode {
		forward = b.lend
	}
	err = forward()
	if s.verbose {
		inform("from %v to %v: %d forwarded, %d put back, %d sent again in doubt, %d came again and were left out",
			s.from, s.to, b.forwarded, b.putBack, b.again, b.repeated)
	}
	end(nil)
	b.close() // which ends what the watcher waits for
	watcher.Wait()
	return err
}

// close closes what was opened.
func (b *bridge) close() {
	for _, q := range []queue{b.from, b.to} {
		if q.exchange != nil {
			q.Close()
		}
	}
}

// watch ends the bridge when one of its queues is removed.
func (b *bridge) watch(end context.CancelCauseFunc) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-look.C:
		case <-b.ctx.Done():
			return
		}
		for _, q := range []queue{b.from, b.to} {
			if err := q.Check(); errors.Is(err, mq.ErrRemoved) {
				end(err)
			}
		}
	}
}

// outgoing returns m as it is sent: with its priority or type, and if it is a request of
// package rpc, with its deadline by the clock of its destination.
func (b *bridge) outgoing(m mq.Message) (mq.Message, error) {
	m, err := b.convert(m)
	if err == nil {
		m.Data = rpc.Forward(b.last, m.Data, b.from.exchange, b.to.exchange)
	}
	return m, err
}

// unlessEnded returns err, or why ctx has ended, which is nil for a signal.
func unlessEnded(ctx context.Context, err error) error {
	switch {
	case ctx.Err() == nil:
		return err
	case errors.Is(context.Cause(ctx), mq.ErrRemoved):
		return context.Cause(ctx)
	}
	return nil
}

// arrived returns an error if the queue that was sent to can no longer be opened:
// handles of POSIX queues do not notice that.
func (q queue) arrived() error {
	if q.Capabilities().SeesRemoval {
		return nil
	}
	return q.Check()
}
