package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"ipcmq/mq"
)

var _ mq.OptionSender = (*Queue)(nil)

// headerTTL is after how many seconds the servers remove a message.
const headerTTL = "Nats-TTL"

// hasTTL reports whether a server of a version removes messages by their TTL: 2.11 and
// later do.
func hasTTL(version string) bool { return isAtLeast(version, 11) }

// maxTTL is the longest TTL, which the servers' arithmetic is right with.
const maxTTL = 100 * 365 * 24 * time.Hour

// SendWith is [Queue.Send] with options, see [mq.SendWith].
//
// A message whose ID the servers know already is in the queue, or was and is received,
// and SendWith returns nil without storing it once more. They know ids for the IDWindow
// of the queue, see [Config]; ids that Send chooses are others. All servers that were stopped at
// once, or killed if there is one, know only those of the messages that are still in the queue. So receivers that must not do the same twice look at [mq.IDOf].
//
// A TTL counts from when the message is stored, in full seconds, of which one that has begun
// counts as a whole. When it is over the message is removed, lent or not: its Ack then
// returns nil. The error matches errors.ErrUnsupported, and nothing was sent, if the
// servers are older than 2.11, or the queue was created by such; then [Queue.Set] with
// Settings.TTL lets messages have one.
//
// [Queue.SendBatch] has no options: what needs them is sent one by one, by several
// goroutines if that takes too long.
func (q *Queue) SendWith(ctx context.Context, m mq.Message, o mq.SendOptions) error {
	return q.send(ctx, true, m, o)
}

// optionHeader returns what o adds to the headers of a message.
func (c *call) optionHeader(o mq.SendOptions) (nats.Header, error) {
	var bad *mq.Error
	if errors.As(o.Validate(), &bad) {
		return nil, c.q.handle.Fail(c.op, mq.ErrInvalidConfig, nil, bad.Detail)
	}
	if o.TTL > maxTTL {
		return nil, c.q.handle.Fail(c.op, mq.ErrInvalidConfig, nil, fmt.Sprintf("TTL = %v is more than %v; 0 is no limit", o.TTL, maxTTL))
	}
	h := nats.Header{}
	if o.ID != "" {
		h[nats.MsgIdHdr] = []string{o.ID}
	}
	if o.TTL > 0 {
		if !c.q.allowsTTL() {
			detail := "the queue was created by a server older than 2.11, and its messages have no TTL; Queue.Set with Settings.TTL lets them have one"
			if version := c.q.nc.ConnectedServerVersion(); !hasTTL(version) {
				detail = fmt.Sprintf("the server has version %s; messages with a TTL need 2.11 or later", version)
			}
			return nil, c.q.unsupported(c.op, nil, detail)
		}
		h[headerTTL] = []string{strconv.FormatInt(int64((o.TTL+time.Second-1)/time.Second), 10)}
	}
	return h, nil
}

// allowsTTL reports whether messages of the queue may have a TTL.
func (q *Queue) allowsTTL() bool {
	if !q.limits.Load().ttl {
		q.lookAtLimits() // somebody may have changed that
	}
	return q.limits.Load().ttl
}

// optionSize returns how many bytes more a message takes with options than without.
func optionSize(h nats.Header) (n int) {
	for key, values := range h {
		n += len(key) + len(": ") + len(values[0]) + len("\r\n")
		if key == nats.MsgIdHdr {
			n -= len(key) + len(": ") + idRandom + idNumber + len("\r\n") // instead of the one that Send chooses
		}
	}
	return max(n, 0)
}
