package integration_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/stream/lease"
)

// Somebody removes the consumer while handlers hold its leases, which last for an hour:
// they are free soon, and everything is handled.
func TestAConsumerRemovedUnderLoadHoldsUpNobody(t *testing.T) {
	t.Parallel()
	const n = 500
	url := startServer(t, nil)
	q := openQueue(t, url, "loaded", &jetstream.Config{AckWait: time.Hour})
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	seen := map[string]bool{}
	var calls atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- lease.Handle(ctx, q, func(_ context.Context, d lease.Delivery) error {
			mu.Lock()
			seen[string(d.Data)] = true
			mu.Unlock()
			if calls.Add(1)%100 == 50 { // while others are handled
				for name := range js.ConsumerNames(streamOf("loaded")) {
					_ = js.DeleteConsumer(streamOf("loaded"), name) // or another handler has
				}
			}
			return nil
		}, &lease.Config{Concurrency: 8})
	}()
	for i := range n {
		if err := q.Send(t.Context(), mq.Message{Type: 1, Data: []byte{byte(i), byte(i >> 8)}}); err != nil {
			t.Fatal(err)
		}
	}
	await(t, func() error {
		s, err := q.Stat(t.Context())
		if err == nil && s.Messages != 0 {
			err = fmt.Errorf("%+v; %d calls", s, calls.Load())
		}
		return err
	})
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if len(seen) != n {
		t.Errorf("%d of %d messages were handled", len(seen), n)
	}
	t.Logf("%d messages were handled %d times", n, calls.Load())
}
