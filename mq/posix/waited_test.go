package posix_test

import (
	"context"
	"testing"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/posix"
)

func TestACallThatEndsSaysWhatItWaitedFor(t *testing.T) {
	for _, mode := range modes {
		q := newQueue(t, &posix.Config{MaxMessages: 1, MaxMessageSize: 8, Blocking: mode.blocking})
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		_, err := q.Receive(ctx)
		wants(t, err, context.DeadlineExceeded, "; the queue is empty")
		cancel()
		if err := q.TrySend(mq.Message{}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
		wants(t, q.Send(ctx, mq.Message{}), context.DeadlineExceeded, "; the queue is full: 1 of 1 messages")
		cancel()
	}
}
