package posix_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"ipcmq/mq"
	"ipcmq/mq/posix"
	"ipcmq/mux"
	"ipcmq/mux/rpc"
)

func TestRequestsAreAnsweredThroughInboxes(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			requests := newQueue(t, &posix.Config{MaxMessages: 3, MaxMessageSize: 512, Blocking: mode.blocking})
			server := open(t, requests.Name(), &posix.Config{Blocking: !mode.blocking})
			ctx, end := context.WithCancel(t.Context())
			served := make(chan error)
			go func() {
				served <- rpc.Handle(ctx, server, 0, func(_ context.Context, request []byte) ([]byte, error) {
					return append([]byte("you said "), request...), nil
				}, nil)
			}()
			defer func() {
				end()
				if err := <-served; err != nil {
					t.Error(err)
				}
			}()
			errs := make(chan error)
			const clients, each = 3, 20
			for c := range clients {
				client, err := rpc.NewClient(open(t, requests.Name(), &posix.Config{Blocking: mode.blocking}), nil)
				if err != nil {
					t.Fatal(err)
				}
				defer client.Close()
				go func() {
					var err error
					for i := 0; i < each && err == nil; i++ {
						var reply []byte
						reply, err = client.Request(t.Context(), 0, fmt.Appendf(nil, "%d %d", c, i))
						if want := fmt.Sprintf("you said %d %d", c, i); err == nil && string(reply) != want {
							err = fmt.Errorf("got %q, want %q", reply, want)
						}
					}
					errs <- err
				}()
			}
			for range clients {
				if err := <-errs; err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func newMux(t *testing.T, q mq.Queue) *mux.Mux {
	t.Helper()
	m, err := mux.New(q, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func TestAMuxWorksWithPrioritiesOnly(t *testing.T) {
	q := newQueue(t, nil)
	m := newMux(t, q)
	for _, s := range []mq.Selector{mq.Type(1), mq.UpTo(2), mq.Except(3)} {
		_, err := m.Subscribe(s, nil)
		wants(t, err, errors.ErrUnsupported, "priorities and no types")
	}
	for i, priority := range []uint32{1, 9, 5} {
		if err := q.TrySend(mq.Message{Priority: priority, Data: fmt.Append(nil, i)}); err != nil {
			t.Fatal(err)
		}
	}
	sub, err := m.Subscribe(mq.Any(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []uint32{9, 5, 1} {
		if got := <-sub.Messages(); got.Priority != want {
			t.Errorf("got priority %d, want %d", got.Priority, want)
		}
	}
}
