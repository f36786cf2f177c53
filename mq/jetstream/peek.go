package jetstream

import (
	"context"

	"ipcmq/mq"
)

// Peek returns the oldest message with at least the given sequence, and its sequence,
// and leaves it in the queue. Messages that are lent are included. To see all messages,
// begin with 1, and continue after the sequence that it has returned.
//
// Peek waits for the servers until ctx ends. The error matches [mq.ErrEmpty] if there is
// none, [mq.ErrRemoved], or ctx.Err() and the cause of ctx.
func (q *Queue) Peek(ctx context.Context, from uint64) (m mq.Message, sequence uint64, err error) {
	c, err := q.begin("peek", ctx, true, q.handle.Access.CanReceive())
	if err != nil {
		return mq.Message{}, 0, err
	}
	defer c.end()
	reader := claims{q: q}
	var got *stored
	err = insist(c.ctx, func() error {
		if err := q.recognize(c.ctx); err != nil {
			return err
		}
		got, err = reader.next(c.ctx, max(from, 1), q.subjects.types())
		return err
	})
	switch {
	case err != nil:
		return mq.Message{}, 0, c.failed(err)
	case got == nil:
		return mq.Message{}, 0, q.handle.Fail("peek", mq.ErrEmpty, nil, "")
	case got.Data == nil:
		got.Data = []byte{}
	}
	return mq.Message{Type: typeOf(got.Subject), Data: got.Data}, got.Sequence, nil
}
