package integration_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
)

// A selector that nobody uses any more soon stops excluding others.
func TestASelectorIsFreeSoonAfterItsLastHandleIsClosed(t *testing.T) {
	t.Parallel()
	for _, nodes := range []int{1, 3} {
		t.Run(fmt.Sprint(nodes, " nodes"), func(t *testing.T) {
			t.Parallel()
			url := startCluster(t, nodes).URL()
			q := openQueue(t, url, "idle", &jetstream.Config{Replicas: nodes, Storage: jetstream.Memory, AckWait: time.Minute})
			typed, waiting := openQueue(t, url, "idle", nil), openQueue(t, url, "idle", nil)
			for _, s := range []mq.Selector{mq.Type(1), mq.Type(2), mq.Type(3)} {
				if _, err := typed.Select(s); err != nil {
					t.Fatal(err)
				}
			}
			// Another handle waits for type 2, and has a message of type 3 on lease.
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			received := make(chan error, 1)
			go func() {
				r, err := waiting.Select(mq.Type(2))
				if err == nil {
					_, err = r.Receive(ctx)
				}
				received <- err
			}()
			if err := q.Send(t.Context(), mq.Message{Type: 3}); err != nil {
				t.Fatal(err)
			}
			r, err := waiting.SelectLeases(mq.Type(3))
			if err != nil {
				t.Fatal(err)
			}
			l, err := r.Lease(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			closed := time.Now()
			typed.Close()
			await(t, func() error {
				if has := consumersOf(t, url, "idle"); has != 2 {
					return fmt.Errorf("%d consumers are there, not 2", has)
				}
				return nil
			})
			if took := time.Since(closed); took < jetstream.IdleLife {
				t.Errorf("the consumer is gone after %v", took)
			}
			if _, err := q.TryReceive(); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("Any, while others wait for a type: %v", err)
			}
			if err := q.Send(t.Context(), mq.Message{Type: 2}); err != nil {
				t.Fatal(err)
			}
			if err := <-received; err != nil {
				t.Error(err)
			}
			if err := l.Ack(t.Context()); err != nil {
				t.Error(err)
			}
			waiting.Close()
			await(t, func() error {
				_, err := q.TryReceive()
				if errors.Is(err, mq.ErrEmpty) {
					return nil
				}
				return fmt.Errorf("Any, when all others are closed: %w", err)
			})
		})
	}
}

// consumersOf returns how many consumers the stream of a queue has.
func consumersOf(t *testing.T, url, name string) int {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	api, err := js.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	s, err := api.Stream(t.Context(), "IPCMQ_"+name)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.Consumers
}
