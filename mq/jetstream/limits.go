package jetstream

import (
	"context"
	"fmt"
	"time"

	js "github.com/nats-io/nats.go/jetstream"

	"ipcmq/mq"
)

// limits are the queue's limits for one message when last seen: others can change
// them.
type limits struct {
	maxBytes int64 // of the queue, or 0
	maxSize  int64 // of a message with its header, or 0
	ttl      bool  // messages may have one
	seen     time.Time
}

func limitsOf(s *js.StreamConfig) *limits {
	return &limits{maxBytes: max(s.MaxBytes, 0), maxSize: int64(max(s.MaxMsgSize, 0)), ttl: s.AllowMsgTTL, seen: time.Now()}
}

// maxPayload returns the largest payload that fits.
func (q *Queue) maxPayload() int {
	l := q.limits.Load()
	n := q.nc.MaxPayload() - int64(headerSize)
	if l.maxSize > 0 {
		n = min(n, l.maxSize-int64(headerSize))
	}
	if l.maxBytes > 0 {
		n = min(n, l.maxBytes-int64(q.Overhead()))
	}
	return int(max(n, 0))
}

// limitsAge is how old the limits may be when they refuse a message.
const limitsAge = time.Second

// maxPayloadNow is maxPayload after a look at the limits, which somebody may have
// raised.
func (q *Queue) maxPayloadNow() int {
	q.lookAtLimits()
	return q.maxPayload()
}

// lookAtLimits asks for the limits, unless they were seen lately.
func (q *Queue) lookAtLimits() {
	if time.Since(q.limits.Load().seen) > limitsAge {
		ctx, cancel := context.WithTimeout(q.life, answerWait)
		defer cancel()
		_, _ = q.stream(ctx, 0) // if it fails, they stay as they were
	}
}

// tooLarge returns the error for n bytes of payload, by the limit that they
// exceed.
func (q *Queue) tooLarge(n int, err error) error {
	l := q.limits.Load()
	server := q.nc.MaxPayload() - int64(headerSize)
	if n := int64(n); n > server {
		return q.handle.Fail("send", mq.ErrTooLarge, err, fmt.Sprintf(
			"message of %d bytes and a header of %d exceeds the server's max_payload = %d (raise it in the configuration of the server)",
			n, headerSize, q.nc.MaxPayload()))
	}
	if n := int64(n); l.maxBytes > 0 && n > l.maxBytes-int64(q.Overhead()) {
		return q.handle.Fail("send", mq.ErrTooLarge, err, fmt.Sprintf(
			"message of %d bytes and an overhead of %d exceeds MaxBytes = %d of the queue (Queue.Set raises it)", n, q.Overhead(), l.maxBytes))
	}
	return q.handle.Fail("send", mq.ErrTooLarge, err, fmt.Sprintf(
		"message of %d bytes and a header of %d exceeds max_msg_size = %d of the stream %s", n, headerSize, l.maxSize, q.subjects.stream))
}
