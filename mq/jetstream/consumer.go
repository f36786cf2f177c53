package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"ipcmq/mq"
)

// ConsumerLife is how long the servers know, in lease mode, that a selector is
// in use when nobody receives with it. After that, others may select in another
// way, and attempts count from 1 again.
const ConsumerLife = 10 * time.Minute

const (
	// pullWait is how long a server keeps a request for messages. One that it
	// has forgotten, with its leader, is made anew after that.
	pullWait = 5 * time.Second

	// maxWaiting is how many requests for messages may wait at a server, for
	// each selector. More of them try again and again.
	maxWaiting = 1 << 16
)

// A consumer is what a lease-mode queue receives with: a durable pull consumer
// of the stream for each selector, which all programs share.
type consumer struct {
	q        *Queue
	selector mq.Selector
	name     string

	mu    sync.Mutex
	known bool // it was there a while ago
	idle  []*intake
}

// consumer returns the consumer for s, which may not exist yet.
func (q *Queue) consumer(s mq.Selector) *consumer {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.consumers[s] == nil {
		c := &consumer{q: q, selector: s, name: "any"}
		if s.Kind() == mq.SelectType {
			c.name = "type-" + strconv.FormatInt(s.Type(), 10)
		}
		q.consumers[s] = c
	}
	return q.consumers[s]
}

// ensure creates the consumer unless it is there.
func (c *consumer) ensure(ctx context.Context, op string) error {
	c.mu.Lock()
	known := c.known
	c.mu.Unlock()
	if known {
		return nil
	}
	q := c.q
	request := struct {
		Stream string            `json:"stream_name"`
		Config js.ConsumerConfig `json:"config"`
		Action string            `json:"action"`
	}{q.subjects.stream, js.ConsumerConfig{
		Name:              c.name,
		Durable:           c.name,
		FilterSubject:     q.subjects.filter(c.selector),
		DeliverPolicy:     js.DeliverAllPolicy,
		AckPolicy:         js.AckExplicitPolicy,
		AckWait:           q.ackWait,
		MaxDeliver:        -1,
		MaxAckPending:     -1, // or so many leases would stop everybody
		MaxWaiting:        maxWaiting,
		InactiveThreshold: ConsumerLife,
	}, "create"}
	err := q.api(ctx, 0, "CONSUMER.CREATE."+q.subjects.stream+"."+c.name+"."+request.Config.FilterSubject, request, nil)
	switch code(err) {
	case codeNotUnique, codeNotUniqueUnfilter:
		return q.unsupported(op, err, fmt.Sprintf(
			"cannot select %v while others select %s: a queue in lease mode has either receivers of any or receivers of single types; claim mode has both",
			c.selector, c.others()))
	case codeConsumerExists:
		return q.fail(op, mq.ErrInvalidConfig, err, fmt.Sprintf(
			"the consumer %s of the stream %s was not made by this package or not by this version; remove it", c.name, q.subjects.stream))
	}
	if err == nil {
		c.setKnown(true)
	}
	return err
}

// others says which selectors exclude c's.
func (c *consumer) others() string {
	if c.selector == mq.Any() {
		return "single types"
	}
	return mq.Any().String()
}

func (q *Queue) unsupported(op string, err error, detail string) error {
	return q.fail(op, errors.ErrUnsupported, err, detail)
}

// ensureSoon is ensure for a call that cannot be canceled.
func (c *consumer) ensureSoon(call *call) error {
	ctx, cancel := context.WithTimeout(call.ctx, openWait)
	defer cancel()
	err := insist(ctx, func() error { return c.ensure(ctx, call.op) })
	if err != nil && c.q.life.Err() != nil {
		return c.q.fail(call.op, mq.ErrClosed, nil, "")
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

// lend takes up to n messages on lease, waiting for the first one if the call
// does. There is at least one if the error is nil.
func (c *consumer) lend(call *call, n int) ([]*nats.Msg, error) {
	var pauses backoff
	wait := false // first what is there already, unless it is a single one
	if n == 1 {
		wait = call.waits()
	}
	for {
		err := c.ensure(call.ctx, call.op)
		if err == nil {
			var msgs []*nats.Msg
			batch := n
			if wait {
				batch = 1
			}
			msgs, err = c.pull(call.ctx, batch, wait)
			if len(msgs) > 0 {
				if wait && n > 1 {
					more, _ := c.pull(call.ctx, n-1, false)
					msgs = append(msgs, more...)
				}
				return msgs, nil
			}
		}
		if err != nil && !isUnavailable(err) {
			return nil, call.failed(err)
		}
		if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, errPullEnded) {
			c.setKnown(false)
			if gone := c.q.verify(call.ctx, call.op); gone != nil && call.ctx.Err() == nil {
				return nil, gone
			}
		}
		switch {
		case call.ctx.Err() != nil && call.waits():
			return nil, call.ended(err)
		case call.ctx.Err() != nil:
			return nil, c.q.fail(call.op, mq.ErrClosed, nil, "")
		case !call.waits() && err == nil:
			return nil, c.q.fail(call.op, mq.ErrEmpty, nil, "")
		case !call.waits():
			return nil, c.q.failed(call.op, err)
		}
		wait = true
		if err != nil {
			pauses.pause(call.ctx, c.q.reconnects.next())
		} else {
			pauses = 0
		}
	}
}

// take takes a message for good.
func (c *consumer) take(call *call) (mq.Message, error) {
	msgs, err := c.lend(call, 1)
	if err != nil {
		return mq.Message{}, err
	}
	m := msgs[0]
	// What cannot be confirmed is given out all the same, or it could be lost.
	_ = call.settle(func(ctx context.Context) error {
		_, err := c.q.ask(ctx, answerWait, &nats.Msg{Subject: m.Reply, Data: ackBody})
		return err
	})
	c.q.tellRoom()
	return messageOf(m), nil
}

// messageOf returns the message that a server has sent.
func messageOf(m *nats.Msg) mq.Message {
	data := m.Data
	if data == nil {
		data = []byte{}
	}
	return mq.Message{Type: typeOf(m.Subject), Data: data}
}

// tellRoom tells senders that wait that there may be room.
func (q *Queue) tellRoom() {
	q.nc.Publish(q.subjects.free(), nil) // if it fails they look again by themselves
}

// An intake is where messages arrive that one request asks for at a time.
type intake struct {
	sub   *nats.Subscription
	inbox string
	ch    chan *nats.Msg
}

// maxBatch is how many messages one request asks for at most.
const maxBatch = 256

// intake returns one that is not in use.
func (c *consumer) intake() (*intake, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.idle); n > 0 {
		in := c.idle[n-1]
		c.idle = c.idle[:n-1]
		return in, nil
	}
	in := &intake{inbox: c.q.nc.NewInbox(), ch: make(chan *nats.Msg, maxBatch+8)}
	var err error
	in.sub, err = c.q.nc.ChanSubscribe(in.inbox, in.ch)
	return in, err
}

// reuse takes back an intake whose request is over.
func (c *consumer) reuse(in *intake) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = append(c.idle, in)
}

func (c *consumer) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, in := range c.idle {
		in.sub.Unsubscribe()
	}
	c.idle = nil
}

// pull asks for n messages. Without wait it returns those that are there, which
// may be none; with wait it may return none too, after a while. Messages that it
// returns are lent, also beside an error.
func (c *consumer) pull(ctx context.Context, n int, wait bool) (msgs []*nats.Msg, err error) {
	n = min(n, maxBatch)
	if !c.q.nc.IsConnected() {
		if c.q.nc.IsClosed() {
			return nil, nats.ErrConnectionClosed
		}
		return nil, errNotConnected
	}
	in, err := c.intake()
	if err != nil {
		return nil, err
	}
	request := struct {
		Batch   int           `json:"batch"`
		Expires time.Duration `json:"expires,omitempty"`
		NoWait  bool          `json:"no_wait,omitempty"`
	}{Batch: n, NoWait: !wait}
	patience := answerWait
	if wait {
		request.Expires = pullWait
		if deadline, ok := ctx.Deadline(); ok { // then nothing is left to cancel
			request.Expires = max(min(pullWait, time.Until(deadline)), time.Millisecond)
		}
		patience += request.Expires
	}
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	reconnected := c.q.reconnects.next()
	if err := c.q.nc.PublishRequest(apiPrefix+"CONSUMER.MSG.NEXT."+c.q.subjects.stream+"."+c.name, in.inbox, body); err != nil {
		c.reuse(in)
		return nil, err
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	done := ctx.Done()
	for {
		select {
		case m := <-in.ch:
			if m.Reply != "" {
				if msgs = append(msgs, m); len(msgs) == n {
					c.reuse(in)
					return msgs, nil
				}
				continue
			}
			over, err := statusOf(m)
			if over {
				c.reuse(in)
				return msgs, err
			}
		case <-done:
			if wait {
				return c.cancel(in, msgs), nil
			}
			done = nil // the answer is on its way
			timer.Reset(graceWait)
		case <-reconnected:
			return c.cancel(in, msgs), nats.ErrDisconnected
		case <-timer.C:
			return c.cancel(in, msgs), nats.ErrTimeout
		}
	}
}

// statusOf reports whether a status message ends a request, and what it says.
func statusOf(m *nats.Msg) (over bool, err error) {
	switch status := m.Header.Get("Status"); status {
	case "100": // a sign of life
		return false, nil
	case "404", "408": // nothing there, or not in time
		return true, nil
	case "503":
		return true, nats.ErrNoResponders
	default:
		return true, fmt.Errorf("%w: %s %s", errPullEnded, status, strings.TrimSpace(m.Header.Get("Description")))
	}
}

// cancel gives up a request: once the server has heard of that, it sends no
// more. cancel returns msgs with what has come until then.
func (c *consumer) cancel(in *intake, msgs []*nats.Msg) []*nats.Msg {
	in.sub.Drain() // it fails if the connection is closed, and then nothing comes
	ctx, cancel := context.WithTimeout(context.Background(), graceWait)
	defer cancel()
	if c.q.nc.IsConnected() {
		_ = c.q.nc.FlushWithContext(ctx) // without an answer, the lease will run out
	}
	for {
		select {
		case m := <-in.ch:
			if m.Reply != "" {
				msgs = append(msgs, m)
			}
		default:
			return msgs
		}
	}
}
