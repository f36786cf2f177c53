package integration_test

import (
	"context"
	"errors"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
)

// A context that ends before a server could answer says nothing about the server.
func TestOnlyAServerThatHadItsTimeIsUnavailable(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	for _, test := range []struct {
		name, mute string
		call       func(ctx context.Context, url, name string) error
	}{
		{"Open", "STREAM.INFO", func(ctx context.Context, url, name string) error {
			q, err := jetstream.Open(ctx, url, name, nil)
			if err == nil {
				q.Close()
			}
			return err
		}},
		{"Stat", "CONSUMER.NAMES", func(ctx context.Context, url, name string) error {
			q := openQueue(t, url, name, nil)
			_, err := q.Stat(ctx)
			return err
		}},
		{"Receive", "CONSUMER.INFO", func(ctx context.Context, url, name string) error {
			q := openQueue(t, url, name, nil)
			_, err := q.Receive(ctx)
			return err
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := startProxy(t, url)
			p.to(test.mute, lose)
			for wait, unavailable := range map[time.Duration]bool{200 * time.Millisecond: false, 2500 * time.Millisecond: true} {
				ctx, cancel := context.WithTimeout(t.Context(), wait)
				err := test.call(ctx, p.url, "mute-"+test.name)
				cancel()
				if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, mq.ErrUnavailable) != unavailable {
					t.Errorf("after %v: %v", wait, err)
				}
			}
		})
	}
}

// A server that refuses to answer does not mean that the queue is empty.
func TestTryReceiveDoesNotCallAQueueEmptyThatItCannotAsk(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	q := openQueue(t, url, "asked", &jetstream.Config{AckWait: time.Hour})
	for range 2 {
		if err := q.Send(t.Context(), mq.Message{Type: 1}); err != nil {
			t.Fatal(err)
		}
	}
	from := leases(t, q, mq.Any())
	leaseOne(t, from) // so that there is something in the queue
	leaseOne(t, from)
	for _, subject := range []string{"STREAM.INFO", "CONSUMER.INFO"} {
		p := startProxy(t, url)
		other := openQueue(t, p.url, "asked", nil)
		if _, err := other.TryReceive(); !errors.Is(err, mq.ErrEmpty) {
			t.Fatal(err)
		}
		p.to(subject, func(f *frame) bool {
			f.answer(`{"error": {"code": 503, "err_code": 10008, "description": "JetStream system temporarily unavailable"}}`)
			return true
		})
		if _, err := other.TryReceive(); !errors.Is(err, mq.ErrUnavailable) || errors.Is(err, mq.ErrEmpty) {
			t.Errorf("without an answer to %s: %v", subject, err)
		}
	}
}

func TestOpenWaitsForAQueueAsLongAsItsContext(t *testing.T) {
	t.Parallel()
	plain := startServer(t, func(o *natsserver.Options) { o.JetStream = false })
	const wait = 7 * time.Second
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	defer cancel()
	q, err := jetstream.Open(ctx, plain, "away", nil)
	if err == nil {
		q.Close()
	}
	if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, mq.ErrUnavailable) || took < wait {
		t.Errorf("got %v after %v, not after %v", err, took, wait)
	}
}
