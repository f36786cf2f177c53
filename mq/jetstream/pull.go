package jetstream

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// roomPause is the least time between two signals of room to waiting senders.
const roomPause = time.Millisecond

// tellRoom signals to waiting senders that there may be room: immediately, or roomPause
// after the last signal.
func (q *Queue) tellRoom() {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch wait := roomPause - time.Since(q.roomTold); {
	case q.roomLater:
	case wait > 0:
		q.roomLater = true
		time.AfterFunc(wait, q.sayRoom)
	default:
		q.publishRoom()
	}
}

func (q *Queue) sayRoom() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.roomLater = false
	q.publishRoom()
}

// publishRoom sends the signal. The lock is held.
func (q *Queue) publishRoom() {
	q.roomTold = time.Now()
	q.nc.Publish(q.subjects.free(), nil) // if it fails, they still look again
}

// An intake receives the messages of one request at a time. It is used again only
// when the server is certainly done with the request: a later message of it would be
// taken for one of the next request, which may be for other types.
type intake struct {
	sub   *nats.Subscription
	inbox string
}

// maxBatch is how many messages one request asks for at most.
const maxBatch = 256

// maxIdle is how many intakes a queue keeps for later requests.
const maxIdle = 64

// intake returns an intake that is not in use.
func (q *Queue) intake() (*intake, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for n := len(q.idle); n > 0; n = len(q.idle) {
		in := q.idle[n-1]
		q.idle = q.idle[:n-1]
		if n, _, err := in.sub.Pending(); n == 0 && err == nil {
			return in, nil
		}
		q.abandon(in) // something has come for a request that was over
	}
	in := &intake{inbox: q.nc.NewInbox()}
	var err error
	if in.sub, err = q.nc.SubscribeSync(in.inbox); err == nil {
		err = in.sub.SetPendingLimits(-1, -1) // what is dropped would stay lent; maxBatch is the limit
	}
	return in, err
}

// reuse takes back an intake whose request is over.
func (q *Queue) reuse(in *intake) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.idle) == maxIdle {
		in.end()
		return
	}
	q.idle = append(q.idle, in)
}

func (in *intake) end() {
	in.sub.Unsubscribe() // fails if the connection is closed, which ends it too
}

// pull makes one request for messages. It may return none without an error.
// Messages that it returns are lent, even with an error.
func (c *consumer) pull(ctx context.Context, p pull) (msgs []*nats.Msg, err error) {
	if err := c.q.connected(); err != nil {
		return nil, err
	}
	request := struct {
		Batch   int           `json:"batch"`
		Expires time.Duration `json:"expires,omitempty"`
		NoWait  bool          `json:"no_wait,omitempty"`
	}{p.batch, p.wait, p.wait == 0 || p.gather}
	if deadline, ok := ctx.Deadline(); ok && p.wait > time.Until(deadline) {
		request.Expires = max(time.Until(deadline), time.Millisecond) // then nothing is left to give up
	}
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	in, err := c.q.intake()
	if err != nil {
		return nil, err
	}
	link, start := c.q.restart.await(), time.Now()
	if err := c.q.nc.PublishRequest(c.q.apiPrefix+"CONSUMER.MSG.NEXT."+c.q.subjects.stream+"."+c.name, in.inbox, body); err != nil {
		in.end()
		return nil, err
	}
	wait, cancel := withGrace(ctx, request.Expires+answerWait, graceWait)
	defer cancel()
	defer context.AfterFunc(link, cancel)()
	if p.wait > 0 {
		defer context.AfterFunc(ctx, func() {
			if ctx.Err() == context.Canceled {
				cancel()
			}
		})()
	}
	for {
		m, err := in.sub.NextMsgWithContext(wait)
		switch {
		case err == nil && m.Reply != "":
			if msgs = append(msgs, m); len(msgs) == p.batch {
				c.q.link.served(reading)
				c.q.reuse(in)
				return msgs, nil
			}
		case err == nil:
			switch over, err := statusOf(m); {
			case over && err == nil:
				c.q.link.served(reading)
				c.q.reuse(in)
				return msgs, nil
			case over:
				c.q.abandon(in)
				return msgs, err
			}
		case wait.Err() == nil: // nobody got the request, or the subscription is gone
			in.end()
			return msgs, err
		default:
			msgs = append(msgs, c.giveUp(in, p)...)
			switch {
			case ctx.Err() != nil:
				return msgs, nil
			case link.Err() != nil:
				return msgs, nats.ErrDisconnected
			}
			c.q.link.unserved(c.q, reading, start)
			return msgs, nats.ErrTimeout
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
	default: // perhaps not the last word: a server that shuts down says so, and still sends messages

		return true, fmt.Errorf("%w: %s %s", errPullEnded, status, strings.TrimSpace(m.Header.Get("Description")))
	}
}

// giveUp gives up a request, and returns the messages that still came for it.
func (c *consumer) giveUp(in *intake, p pull) (msgs []*nats.Msg) {
	nc := c.q.nc
	if !nc.IsConnected() {
		in.end()
		return nil
	}
	if p.wait == 0 || !c.q.isOneServer() {
		c.q.abandon(in)
		return nil
	}
	// The server may be about to send a message for this request. So the client
	// keeps the subscription as long as a message waits in it, such as this one;
	// and the server answers another request, which reaches it after the end of
	// the subscription, only after sending that message.
	if nc.Publish(in.inbox, nil) != nil || in.sub.Drain() != nil {
		in.end()
		return nil
	}
	last, cancel := context.WithTimeout(context.Background(), graceWait)
	defer cancel()
	after, _ := c.pull(last, pull{batch: 1})
	for {
		if n, _, err := in.sub.Pending(); n == 0 || err != nil {
			return append(msgs, after...)
		}
		if m, err := in.sub.NextMsg(graceWait); err == nil && m.Reply != "" {
			msgs = append(msgs, m)
		}
	}
}

// abandon gives back messages that come for a request that was given up, until the
// server has forgotten it. In a cluster, a message for a subscription that has ended
// may be on its way from one server to another: so this one is kept.
func (q *Queue) abandon(in *intake) {
	q.background.Go(func() {
		defer in.end()
		ctx, cancel := context.WithTimeout(q.life, pullWait+answerWait)
		defer cancel()
		for {
			m, err := in.sub.NextMsgWithContext(ctx)
			if err != nil {
				return
			}
			if m.Reply != "" {
				q.nc.Publish(m.Reply, nakBody) // if it fails, the lease runs out
				continue
			}
			if over, err := statusOf(m); over && err == nil {
				return
			}
		}
	})
}
