package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"ipcmq/internal/lazy"
	"ipcmq/mq"
)

// lastTry is the minimum time for a message to be acknowledged or given back
// after Handle began to end.
const lastTry = time.Second

// A loop takes messages on lease and handles them.
type loop struct {
	handler  Handler
	cfg      Config
	taking   context.Context // ends when no more messages may be taken
	stop     context.CancelCauseFunc
	ctx      context.Context // of the handlers
	end      context.CancelCauseFunc
	beyond   context.Context // has the values of ctx, but does not end
	slots    chan struct{}   // holds one for each message being handled
	handlers sync.WaitGroup
	acks     *acks // of a queue on another host, or nil

	mu      sync.Mutex
	failure error            // of the queue, which ended the loop
	unacked []error          // of messages that were handled but could not be acknowledged
	reasons map[uint64]error // why messages that are not dead letters yet have failed, by sequence
}

func newLoop(ctx context.Context, h Handler, c Config) *loop {
	l := &loop{handler: h, cfg: c, slots: make(chan struct{}, c.Concurrency), reasons: map[uint64]error{}}
	l.taking, l.stop = context.WithCancelCause(ctx)
	working := l.taking
	if c.Drain != 0 {
		working = context.WithoutCancel(ctx)
	}
	l.ctx, l.end = context.WithCancelCause(working)
	l.beyond = context.WithoutCancel(ctx)
	return l
}

// drain waits for the handlers, and ends their contexts when their time is over.
func (l *loop) drain() {
	if l.cfg.Drain > 0 {
		timer := time.AfterFunc(l.cfg.Drain, func() { l.end(context.Cause(l.taking)) })
		defer timer.Stop()
	}
	l.handlers.Wait()
}

// selectLeases returns a receiver of leases of what s selects as soon as the
// queue is available, or nil without an error if ctx ends first. A call that is
// in progress by then may take as long as the queue lets it, without effect.
func selectLeases(ctx context.Context, q mq.Leaser, s mq.Selector, logger *slog.Logger) (mq.LeaseReceiver, error) {
	type answer struct {
		receiver mq.LeaseReceiver
		err      error
	}
	reach := reachable{logger: logger}
	for n := 0; ; n++ {
		answered := make(chan answer, 1)
		go func() {
			r, err := q.SelectLeases(s)
			answered <- answer{r, err}
		}()
		select {
		case a := <-answered:
			reach.note(ctx, a.err)
			switch {
			case a.err == nil:
				return a.receiver, nil
			case !passes(a.err):
				return nil, a.err
			case !pause(ctx, n):
				return nil, nil
			}
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// fail ends the loop with the error of the queue.
func (l *loop) fail(err error) {
	l.mu.Lock()
	if l.failure == nil && l.taking.Err() == nil {
		l.failure = err
	}
	l.mu.Unlock()
	l.halt(err)
}

// halt ends the loop and the contexts of the handlers immediately.
func (l *loop) halt(cause error) {
	l.stop(cause)
	l.end(cause)
}

func (l *loop) err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(append([]error{l.failure}, l.unacked...)...)
}

// take takes messages, as many as can be handled at once, until the loop ends.
func (l *loop) take(r mq.LeaseReceiver) {
	from := taker{loop: l, from: r, reach: reachable{logger: l.cfg.Logger}}
	if l.acks != nil {
		l.takeAhead(from)
		return
	}
	for ok := true; ok; {
		n := l.reserve()
		if n == 0 {
			return
		}
		var leases []mq.Lease
		leases, ok = from.take(n)
		l.release(n - len(leases))
		for _, lease := range leases {
			l.handlers.Go(func() {
				defer l.release(1)
				l.handle(lease)
			})
		}
	}
}

// A taker takes messages on lease.
type taker struct {
	*loop
	from     mq.LeaseReceiver
	failures int // one after the other
	reach    reachable
}

// take takes up to n messages, waiting for one, or for a while where the queue is
// unavailable. It reports whether the loop goes on.
func (t *taker) take(n int) (leases []mq.Lease, ok bool) {
	leases, err := t.from.LeaseBatch(t.taking, n)
	t.reach.note(t.taking, err)
	switch {
	case err == nil:
		t.failures = 0
		return leases, true
	case t.taking.Err() != nil:
		return nil, false
	case !passes(err):
		t.fail(err)
		return nil, false
	}
	t.failures++
	return nil, pause(t.taking, t.failures-1)
}

// reserve waits for a slot and takes all that are free, or none if the loop
// ends.
func (l *loop) reserve() (n int) {
	select {
	case l.slots <- struct{}{}:
	case <-l.taking.Done():
		return 0
	}
	for n = 1; ; n++ {
		select {
		case l.slots <- struct{}{}:
		default:
			return n
		}
	}
}

func (l *loop) release(n int) {
	for range n {
		<-l.slots
	}
}

// handle handles one message, and settles its lease.
func (l *loop) handle(lease mq.Lease) {
	if l.taking.Err() != nil { // it was lent while the loop ended
		l.giveBack(lease, 0)
		return
	}
	h := l.hold(lease)
	err := errGoexit
	defer func() { l.settle(h, err) }() // also after runtime.Goexit
	err = l.attempt(h.ctx, h.Delivery)
}

func (l *loop) report(d Delivery, err error) {
	if l.cfg.OnError != nil {
		l.cfg.OnError(d, err)
	}
}

// keep extends the lease, immediately and whenever half of it is over, until ctx
// ends. It returns why the lease can no longer be extended.
func (l *loop) keep(ctx context.Context, lease mq.Lease) error {
	var failed error
	for first := true; ; first = false {
		deadline := lease.Deadline()
		left := time.Until(deadline)
		if left <= 0 {
			if failed == nil {
				return ErrLost
			}
			return fmt.Errorf("%w: %w", ErrLost, failed)
		}
		if !first && !sleep(ctx, min(left, max(left/2, time.Millisecond))) {
			return nil
		}
		extending, cancel := context.WithDeadline(ctx, deadline)
		err := lease.Extend(extending)
		late := extending.Err() != nil
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, mq.ErrLeaseOver):
			return fmt.Errorf("%w: %w", ErrLost, err)
		case err != nil && !late && !passes(err):
			l.fail(err)
			return nil
		case err != nil:
			failed = err
		}
	}
}

// ack retries until it is certain that the message was removed, or no answer
// comes while the lease lasts: a server that was killed may have forgotten the
// lease, and then never answers but lends the message again.
func (l *loop) ack(lease mq.Lease, d Delivery) {
	err, unanswered := l.tryAck(l.beyond, lease)
	if err == nil {
		return
	}
	ctx, cancel := l.settling(lease)
	defer cancel()
	for n := 0; ; n++ {
		over := errors.Is(err, mq.ErrLeaseOver) // another has the message, or will have it
		if !over && !unanswered && passes(err) && pause(ctx, n) {
			if err, unanswered = l.tryAck(ctx, lease); err == nil {
				return
			}
			continue
		}
		l.warn("message was handled but may be handled again", d, slog.Any("error", err))
		err = fmt.Errorf("message %d was handled but may be handled again: %w", d.Sequence, err)
		l.report(d, err)
		if unanswered || over {
			return
		}
		l.mu.Lock()
		l.unacked = append(l.unacked, err)
		l.mu.Unlock()
		l.halt(err)
		return
	}
}

// tryAck acknowledges once. unanswered is true if the lease, or lastTry if that
// is longer, ran out first.
func (l *loop) tryAck(ctx context.Context, lease mq.Lease) (err error, unanswered bool) {
	answering := lazy.New(ctx, time.Now().Add(max(time.Until(lease.Deadline()), lastTry)), nil)
	defer answering.Cancel(nil)
	err = lease.Ack(answering)
	return err, err != nil && answering.Err() != nil && ctx.Err() == nil
}

// giveBack gives the message back. If the queue cannot be reached, the lease
// runs out, which has the same effect. If the result is in doubt, it does not
// retry, which might take the message from its next holder.
func (l *loop) giveBack(lease mq.Lease, delay time.Duration) {
	ctx, cancel := l.settling(lease)
	defer cancel()
	deadline := lease.Deadline()
	for n := 0; ; n++ {
		err := lease.Nak(ctx, delay)
		switch {
		case err == nil, errors.Is(err, mq.ErrInDoubt), errors.Is(err, mq.ErrLeaseOver):
			return
		case !passes(err) && ctx.Err() == nil:
			l.fail(err)
			return
		case !time.Now().Before(deadline) || !pause(ctx, n):
			return
		}
	}
}

// settling returns the context in which a lease is settled. It may outlive the
// loop, until the lease has run out: then the message is lent again anyway.
func (l *loop) settling(lease mq.Lease) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(l.beyond)
	deadline := lease.Deadline()
	stop := context.AfterFunc(l.ctx, func() {
		if sleep(ctx, max(time.Until(deadline), lastTry)) {
			cancel()
		}
	})
	return ctx, func() {
		stop()
		cancel()
	}
}

// passes reports whether err says that the queue cannot be reached now, so a
// call should be repeated.
func passes(err error) bool {
	return errors.Is(err, mq.ErrUnavailable) || errors.Is(err, mq.ErrInDoubt)
}

// pause waits before the retry of what failed n times, unless ctx ends.
func pause(ctx context.Context, n int) bool {
	return sleep(ctx, min(10*time.Millisecond<<min(n, 7), time.Second))
}

// sleep waits for d. It returns false if ctx ended meanwhile.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
