package jetstream

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"ipcmq/mq"
)

// tries repeats something for which one request may not be enough: while the servers
// do not answer, or cannot now, and while there is no room or no message.
type tries struct {
	ctx   context.Context
	call  *call // that it is for, or nil
	waits bool  // otherwise what cannot be done now is not tried again

	try func() error

	// hear, unless nil, makes it wait for room or a message. It is called once,
	// when there was none, and returns a bell that rings when there may be; the
	// next try follows at once, so that nothing is missed. look is how long to wait
	// for the bell; 0 means pauses that grow.
	hear func() (*bell, error)
	look time.Duration

	// over, unless nil, is called before another try because of err, and returns
	// an error if it is too late for one.
	over func(err error) error

	moves bool      // a message, or the queue: if its answer is lost, it is in doubt
	doubt time.Time // start of the first try whose answer was lost; zero for none
}

// run tries until it is done or another try is pointless, and returns the last error;
// that of the context only if there was no other.
func (t *tries) run() error {
	var pauses backoff
	var heard *bell
	var met error
	for {
		var again, rung <-chan struct{} // from before the try, so that rings during it count
		if t.call != nil {
			again = t.call.q.restart.await().Done()
		}
		if heard != nil {
			rung = heard.await().Done()
		}
		start := time.Now()
		err := t.try()
		if isOfContext(err) && met != nil {
			err = met // which says more
		}
		met = err
		if isDoubtful(err) && t.doubt.IsZero() {
			t.doubt = start
		}
		if !isUnavailable(err) && !t.isLack(err) {
			return err
		}
		if gone := t.gone(err); gone != nil {
			return gone
		}
		switch {
		case t.ctx.Err() != nil:
			return err
		case err == errNow:
			pauses = 0
			continue
		case !t.waits:
			return err
		case t.isLack(err) && heard == nil:
			bell, failed := t.hear()
			if failed != nil {
				return failed
			}
			heard = bell
			continue
		case t.isLack(err) && t.look > 0:
			pauses = backoff(t.look)
			pauses.pause(t.ctx, again, rung)
			pauses = 0
		default:
			pauses.pause(t.ctx, again, rung)
		}
		if t.ctx.Err() != nil {
			return err
		}
	}
}

// isLack reports whether err is a lack of room or of messages that is waited for.
func (t *tries) isLack(err error) bool {
	m := meaningOf(err)
	return t.hear != nil && (m == full || m == absent)
}

// gone returns why another try after err is pointless, or nil.
func (t *tries) gone(err error) error {
	if t.call != nil && (errors.Is(err, nats.ErrNoResponders) || errors.Is(err, errPullEnded)) {
		if gone := t.call.q.verify(t.ctx, t.call.op); gone != nil {
			return gone
		}
	}
	if t.over != nil && isUnavailable(err) {
		return t.over(err)
	}
	return nil
}

// insist calls try until it succeeds, is refused, or ctx has ended.
func insist(ctx context.Context, try func() error) error {
	t := tries{ctx: ctx, waits: true, try: try}
	return t.run()
}

// retry makes the tries for a call, and turns the last error into one for its caller.
func (c *call) retry(t *tries) error {
	t.ctx, t.call, t.waits = c.ctx, c, c.waits
	err := t.run()
	m := meaningOf(err)
	switch {
	case m == done:
		return nil
	case c.ctx.Err() != nil && m >= absent:
		err = c.ended(err)
	case m == full:
		err = c.q.handle.Fail(c.op, mq.ErrFull, err, "")
	case m == absent:
		err = c.q.handle.Fail(c.op, mq.ErrEmpty, nil, "")
	default:
		err = c.q.failed(c.op, err)
	}
	if t.moves && !t.doubt.IsZero() && !errors.Is(err, mq.ErrInDoubt) {
		return c.q.lost(c.op, err)
	}
	return err
}

// A backoff is how long to wait before the next try.
type backoff time.Duration

const (
	leastPause = time.Millisecond
	mostPause  = 250 * time.Millisecond
)

// next returns the pause, and doubles it.
func (b *backoff) next() time.Duration {
	d := time.Duration(*b)
	if d == 0 {
		d = leastPause
	}
	*b = backoff(min(2*d, mostPause))
	return d
}

// pause waits for the next try, until ctx ends or one of the channels is closed.
func (b *backoff) pause(ctx context.Context, again, rung <-chan struct{}) {
	t := time.NewTimer(b.next())
	defer t.Stop()
	select {
	case <-t.C:
	case <-again:
	case <-rung:
	case <-ctx.Done():
	}
}
