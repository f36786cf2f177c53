package posix_test

import (
	"context"
	"testing"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/posix"
)

func TestACallThatEndsSaysWhatItWaitedFor(t *testing.T) {
	for _, mode := range modes {
		q := newQueue(t, &posix.Config{MaxMessages: 1, MaxMessageSize: 8, Blocking: mode.blocking})
		_, err := q.Receive(testutil.Soon(t))
		wants(t, err, context.DeadlineExceeded, "; the queue is empty")
		if err := q.TrySend(mq.Message{}); err != nil {
			t.Fatal(err)
		}
		wants(t, q.Send(testutil.Soon(t), mq.Message{}), context.DeadlineExceeded, "; the queue is full: 1 of 1 messages")
	}
}
