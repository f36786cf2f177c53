package integration_test

import (
	"context"
	"testing"
	"time"

	"ipcmq/mux/rpc"
)

// A server that loses its connection while it handles a request sends the reply when it
// has one again.
func TestAReplyOutlivesTheConnectionOfItsServer(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	p := startProxy(t, url)
	server := openQueue(t, p.url, "replies", nil)
	handling, cancel := context.WithCancel(t.Context())
	handled := make(chan error, 1)
	go func() {
		handled <- rpc.Handle(handling, server, 7, func(context.Context, []byte) ([]byte, error) {
			p.cut()
			time.AfterFunc(300*time.Millisecond, p.join)
			return []byte("done"), nil
		}, nil)
	}()
	client := newClient(t, openQueue(t, url, "replies", nil))
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if got, err := client.Request(ctx, 7, nil); err != nil || string(got) != "done" {
			t.Errorf("got %q, %v", got, err)
		}
		cancel()
	}
	cancel()
	if err := <-handled; err != nil {
		t.Error(err)
	}
}
