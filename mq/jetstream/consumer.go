package jetstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"ipcmq/mq"
)

const (
	// pullWait is how long a server keeps a request for messages. One that was
	// lost with its leader is made again after that.
	pullWait = 5 * time.Second

	// maxWaiting is how many requests for messages may wait at a server, for
	// each selector. Further ones keep trying.
	maxWaiting = 1 << 16
)

// A consumer is what a lease-mode queue receives through: a durable pull consumer
// of the stream for each selector, which all programs share. Its name contains the
// id of the queue, so that requests and acknowledgments for a removed queue do not
// reach a new one of the same name.
type consumer struct {
	q        *Queue
	selector mq.Selector
	name     string

	mu      sync.Mutex
	known   bool      // it was there a while ago
	created time.Time // by the clock of the servers; zero if not known
	search  *search   // nil if none is under way
}

// consumer returns the consumer for s, which may not exist yet.
func (q *Queue) consumer(s mq.Selector) *consumer {
	name := "any-" + q.id
	if s.Kind() == mq.SelectType {
		name = "type-" + strconv.FormatInt(s.Type(), 10) + "-" + q.id
	}
	return &consumer{q: q, selector: s, name: name}
}

// ensure creates the consumer unless it exists. Only one request for it is under
// way at a time: otherwise callers that give up immediately, again and again, would
// keep the server busy.
func (c *consumer) ensure(ctx context.Context, op string) error {
	c.mu.Lock()
	if c.known {
		c.mu.Unlock()
		return nil
	}
	s := c.search
	if s == nil {
		s = &search{done: make(chan struct{})}
		c.search = s
		c.q.background.Go(func() {
			s.err = c.create(c.q.life)
			c.mu.Lock()
			c.known, c.search = s.err == nil, nil
			c.mu.Unlock()
			if s.err == nil {
				c.q.use(c)
			}
			close(s.done)
		})
	}
	c.mu.Unlock()
	select {
	case <-s.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	switch code(s.err) {
	case codeNotUnique, codeNotUniqueUnfilter:
		return c.q.unsupported(op, s.err, fmt.Sprintf(
			"cannot select %v while others select %s: a queue in lease mode has either receivers of any or receivers of single types; claim mode has both",
			c.selector, c.others()))
	}
	return s.err
}

// A search is a request for a consumer that is under way.
type search struct {
	done chan struct{}
	err  error // once done is closed
}

// others says which selectors exclude c's.
func (c *consumer) others() string {
	if c.selector == mq.Any() {
		return "single types"
	}
	return mq.Any().String()
}

func (q *Queue) unsupported(op string, err error, detail string) error {
	return q.handle.Fail(op, errors.ErrUnsupported, err, detail)
}

// ensureSoon is ensure for a call that cannot be canceled.
func (c *consumer) ensureSoon(call *call) error {
	ctx, cancel := context.WithTimeout(call.ctx, openWait)
	defer cancel()
	err := insist(ctx, func() error { return c.ensure(ctx, call.op) })
	if err != nil && c.q.life.Err() != nil {
		return c.q.handle.Fail(call.op, mq.ErrClosed, nil, "")
	}
	if err != nil {
		return c.q.failed(call.op, err)
	}
	return nil
}

func (c *consumer) setKnown(known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = known
}

// A pull is a request for messages.
type pull struct {
	batch  int
	wait   time.Duration // for the first message; 0 takes what is there already
	gather bool          // take what is there with the first message
}

// A loan is messages that were taken on lease together.
type loan struct {
	msgs    []*nats.Msg
	asked   time.Time // when they were asked for
	created time.Time // when the consumer was made, as far as was known then
}

// lend takes up to n messages on lease, waiting for the first one if the call does.
// There is at least one if the error is nil.
func (c *consumer) lend(call *call, n int) (l loan, err error) {
	p := pull{batch: min(n, maxBatch), gather: n > 1}
	if call.waits {
		p.wait = pullWait
		// A request that coincides with the removal of the queue may get no answer.
		if err := c.q.subscribe(c.q.subjects.wakeAll(), func(string) { c.q.restart.ring() }); err != nil {
			return l, call.failed(err)
		}
	}
	looks := 0
	try := func() error {
		l.asked = time.Now()
		err := c.ensure(call.ctx, call.op)
		if err == nil {
			l.created = c.madeAt()
			l.msgs, err = c.pull(call.ctx, p)
		}
		switch {
		case len(l.msgs) > 0:
			l.msgs = c.keep(l.msgs, n)
			return nil
		case errors.Is(err, nats.ErrNoResponders), errors.Is(err, errPullEnded):
			c.setKnown(false)
			return err
		case err != nil:
			return err
		case call.waits && time.Since(l.asked) > p.wait/2:
			return errNow
		case call.waits: // a request that gathers may be refused while others wait
			return errNoMessage
		}
		more, err := c.undelivered(call.ctx)
		if err == nil && (!more || looks == maxLooks) {
			err = errNoMessage
		} else if err == nil {
			p.wait, err = shortWait, errNow
		}
		looks++
		return err
	}
	began := time.Now()
	err = call.retry(&tries{try: try, hear: func() (*bell, error) { return &c.q.restart, nil },
		over: func(err error) error { return call.diskGivenUp(err, began) }})
	return l, err
}

// keep returns the first n messages and gives back the others: a request that is
// given up may return more than that.
func (c *consumer) keep(msgs []*nats.Msg, n int) []*nats.Msg {
	if len(msgs) <= n {
		return msgs
	}
	for _, m := range msgs[n:] {
		// With the answer, others can have it; without one, the lease runs out.
		_, _ = c.q.ask(context.Background(), graceWait, &nats.Msg{Subject: m.Reply, Data: nakBody})
	}
	return msgs[:n]
}

const (
	// shortWait is how long a call that does not wait allows a stored message to
	// reach the consumer, and maxLooks how often.
	shortWait = 20 * time.Millisecond
	maxLooks  = 10
)

// undelivered reports whether there seem to be messages that are not lent. A
// consumer learns of a message a little after its sender gets the confirmation, so
// that its own answer is not enough.
func (c *consumer) undelivered(ctx context.Context) (bool, error) {
	s := c.q.subjects
	var stream struct {
		State struct {
			Messages int            `json:"messages"`
			Subjects map[string]int `json:"subjects"`
		} `json:"state"`
	}
	var request any
	if c.selector != mq.Any() {
		request = map[string]string{"subjects_filter": s.filter(c.selector)}
	}
	if err := c.q.api(ctx, graceWait, "STREAM.INFO."+s.stream, request, &stream); err != nil {
		return false, err
	}
	n := stream.State.Messages
	if request != nil {
		n = stream.State.Subjects[s.filter(c.selector)]
	}
	if n == 0 {
		return false, nil
	}
	var info js.ConsumerInfo
	err := c.q.api(ctx, graceWait, "CONSUMER.INFO."+s.stream+"."+c.name, nil, &info)
	if code(err) == codeConsumerNotFound {
		c.setKnown(false)
		return true, nil // with the one that is created next
	}
	return n > info.NumAckPending, err
}

// take takes up to n messages permanently.
func (c *consumer) take(call *call, n int) ([]mq.Message, error) {
	l, err := c.lend(call, n)
	if err != nil {
		return nil, err
	}
	taken := make([]mq.Message, len(l.msgs))
	left := make([]string, len(l.msgs))
	for i, m := range l.msgs {
		taken[i], left[i] = messageOf(m), m.Reply
	}
	// Messages whose removal is not confirmed are returned anyway, or they could be lost.
	_ = call.settle(func(ctx context.Context) (err error) {
		r := c.q.newRound()
		for _, subject := range left {
			r.ask(subject, ackBody)
		}
		left, err = unanswered(left, r.await(ctx, answerWait))
		if isUnanswered(err) && c.q.isForgotten(ctx, c.name, l.created) {
			return nil
		}
		return err
	})
	c.q.tellRoom()
	return taken, nil
}

// isUnanswered reports whether nobody has answered a request, or nobody got it.
func isUnanswered(err error) bool {
	return errors.Is(err, nats.ErrNoResponders) || errors.Is(err, nats.ErrTimeout)
}

// unanswered returns the subjects of requests that have failed, and the first error.
func unanswered(subjects []string, errs []error) (left []string, first error) {
	for i, err := range errs {
		if err != nil {
			left = append(left, subjects[i])
			first = cmp.Or(first, err)
		}
	}
	return left, first
}

// messageOf returns the message that a server has sent.
func messageOf(m *nats.Msg) mq.Message {
	data := m.Data
	if data == nil {
		data = []byte{}
	}
	return mq.Message{Type: typeOf(m.Subject), Data: data}
}
