package jetstream

import (
	"context"
	"time"

	js "github.com/nats-io/nats.go/jetstream"
)

// Stat is what the servers report about a queue.
type Stat struct {
	Name     string
	Mode     Mode
	Storage  Storage
	Replicas int           // servers that keep each message
	AckWait  time.Duration // length of a lease; 0 in claim mode
	Leader   string        // name of the server that orders the messages; "" for none now, or a single server

	Messages    int64 // messages in the queue, those that are lent included
	Lent        int64 // messages that are lent now, or wait for the end of a delay
	Bytes       int64 // bytes in the queue, overhead included
	MaxBytes    int64 // maximum number of bytes, overhead included
	MaxMessages int64 // maximum number of messages; 0 means no limit

	IDWindow time.Duration // how long the ids of messages are remembered
	TTL      bool          // messages may have a TTL

	Created  time.Time // when the queue was created
	LastSend time.Time // when the last message was stored; zero for never
}

// Stat returns the state of the queue, and waits until ctx ends if it is
// unavailable. The error matches [mq.ErrRemoved] if the queue is gone.
func (q *Queue) Stat(ctx context.Context) (Stat, error) {
	c, err := q.begin("stat", ctx, true, true)
	if err != nil {
		return Stat{}, err
	}
	defer c.end()
	s, err := q.look(c.ctx)
	if err != nil {
		return Stat{}, c.failed(err)
	}
	return s, nil
}

// lent counts the messages that are lent. It asks for each consumer separately: a list
// of all would wait for servers that are gone.
func (q *Queue) lent(ctx context.Context) (n int64, err error) {
	for offset := 0; ; {
		request := struct {
			Offset int `json:"offset"`
		}{offset}
		var names struct {
			Total     int      `json:"total"`
			Consumers []string `json:"consumers"`
		}
		if err := q.api(ctx, 0, "CONSUMER.NAMES."+q.subjects.stream, request, &names); err != nil {
			return 0, err
		}
		for _, name := range names.Consumers {
			var info js.ConsumerInfo
			err := q.api(ctx, 0, "CONSUMER.INFO."+q.subjects.stream+"."+name, nil, &info)
			if code(err) == codeConsumerNotFound {
				continue // it has ended meanwhile
			}
			if err != nil {
				return 0, err
			}
			n += int64(info.NumAckPending)
		}
		offset += len(names.Consumers)
		if len(names.Consumers) == 0 || offset >= names.Total {
			return n, nil
		}
	}
}
