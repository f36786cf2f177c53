package integration_test

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
	"ipcmq/stream/lease"
)

// Dead letters go from any queue that lends to any other queue, on JetStream or in the
// kernel, with all that is known about the message.
func TestDeadLettersGoToAQueueOfEitherKind(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	testutil.NeedNamespace(t)
	lends, err := sysv.Open(0x7e57, &sysv.Config{Exclusive: true}) // the key makes it lend
	if err != nil {
		t.Fatal(err)
	}
	defer lends.Close()
	defer lends.Remove()
	gets, _ := newKernelQueue(t)
	header := mq.Header{"traceparent": "00-1"}
	for _, c := range []struct {
		name     string
		from, to mq.Queue
		header   mq.Header
	}{
		{"on JetStream", openQueue(t, url, newName(), nil), openQueue(t, url, newName(), nil), header},
		{"from JetStream to the kernel", openQueue(t, url, newName(), nil), gets, header},
		{"from the kernel to JetStream", lends, openQueue(t, url, newName(), nil), nil},
	} {
		if err := c.from.Send(mq.WithHeader(t.Context(), header), mq.Message{Type: 5, Data: []byte("payload")}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		handled := make(chan error, 1)
		attempts := 0
		go func() {
			handled <- lease.Handle(ctx, c.from, func(context.Context, lease.Delivery) error {
				attempts++
				return errors.New("broken")
			}, &lease.Config{
				RetryDelay:  func(int, error) time.Duration { return 0 },
				MaxAttempts: 3,
				DeadLetter:  lease.ToQueue(c.to),
			})
		}()
		m, err := c.to.Receive(ctx)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		d, err := lease.ParseDeadLetter(m)
		if err != nil || d.Type != 5 || string(d.Data) != "payload" || d.Attempt != 3 || d.Reason != "broken" || !maps.Equal(d.Header, c.header) {
			t.Errorf("%s: %+v, %v", c.name, d, err)
		}
		cancel()
		if err := <-handled; err != nil || attempts != 3 {
			t.Errorf("%s: %d attempts, %v", c.name, attempts, err)
		}
	}
}
