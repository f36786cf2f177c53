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

// headerTTL is the header with the seconds after which the servers remove a message.
const headerTTL = "Nats-TTL"

// hasTTL reports whether servers of a version remove messages by their TTL: 2.11 and
// later do.
func hasTTL(version string) bool { return isAtLeast(version, 11) }

// maxTTL is the longest TTL allowed; the servers' arithmetic is right up to it.
const maxTTL = 100 * 365 * 24 * time.Hour

// SendWith is [Queue.Send] with options, see [mq.SendWith].
//
// If the servers already know the ID, its message is in the queue or was received, and
// SendWith returns nil without storing it again. They remember ids for the IDWindow of the
// queue, see [Config]; ids that Send chooses are different. After all servers were stopped
// together, or a single server was killed, only the ids of messages that are still in the
// queue are known. So receivers that must not do the same thing twice must check [mq.IDOf].
//
// A TTL counts from when the message is stored, rounded up to full seconds. After it the
// message is removed, lent or not: its Ack then returns nil. The error matches
// errors.ErrUnsupported, and nothing was sent, if the servers are older than 2.11, or such
// servers created the queue; in the latter case [Queue.Set] with Settings.TTL allows TTLs.
//
// [Queue.SendBatch] has no options: messages that need them are sent one by one, from
// several goroutines if that takes too long.
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
