package plain_test

import (
	"context"
	"testing"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
	"ipcmq/mux/rpc/plain"
)

func TestMain(m *testing.M) { testutil.Main(m, nil) }

var pattern = plain.Pattern{RequestType: 100, ReplyType: 200, ID: plain.Before(" ")}

// newQueue creates a queue that is removed after the test.
func newQueue(tb testing.TB, cfg *sysv.Config) *sysv.Queue {
	tb.Helper()
	q, err := sysv.Open(sysv.Private, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { q.Remove(); q.Close() })
	return q
}

func newClient(tb testing.TB, q mq.Queue, p plain.Pattern, cfg *plain.ClientConfig) *plain.Client {
	tb.Helper()
	c, err := plain.NewClient(q, p, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	return c
}

// serve calls Handle; stop ends it and returns its error.
func serve(tb testing.TB, q mq.Queue, p plain.Pattern, h plain.Handler, cfg *plain.Config) (stop func() error) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	var err error
	go func() {
		defer close(ended)
		err = plain.Handle(ctx, q, p, h, cfg)
	}()
	stop = func() error {
		cancel()
		<-ended
		return err
	}
	tb.Cleanup(func() { stop() })
	return stop
}
