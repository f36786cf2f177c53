package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"ipcmq/mq/sysv"
	"ipcmq/mux/rpc"
)

// codeNegative is our own code; codes below 1024 are the library's.
const codeNegative rpc.Code = 1024

// serve answers requests until ctx ends.
func serve(ctx context.Context, q *sysv.Queue, name string) error {
	client, err := rpc.NewClient(q, nil)
	if err != nil {
		return err
	}
	defer client.Close()
	squares := func(_ context.Context, request []byte) ([]byte, error) {
		n, err := strconv.Atoi(string(request))
		if err != nil {
			return nil, err
		}
		if n < 0 {
			return nil, &rpc.RemoteError{Code: codeNegative, Text: fmt.Sprintf("%d is negative", n)}
		}
		time.Sleep(time.Millisecond) // the work
		return fmt.Appendf(nil, "%d by %s", n*n, name), nil
	}
	// A handler may send a request itself. Its context has the deadline of the
	// request that it handles, so the deadline is passed on.
	signature := func(ctx context.Context, document []byte) ([]byte, error) {
		if _, err := client.Request(ctx, permit, fmt.Appendf(nil, "%s at %s", document, name)); err != nil {
			return nil, err
		}
		return fmt.Appendf(nil, "%s signed by %s", document, name), nil
	}
	var stats rpc.ServerStats
	ended := make(chan error)
	go func() {
		// Only a few at once: the rest stays in the queue for the other servers.
		ended <- rpc.Handle(ctx, q, square, squares, &rpc.Config{Concurrency: 2, Drain: time.Second, Stats: &stats})
	}()
	go func() {
		ended <- rpc.Handle(ctx, q, sign, signature, &rpc.Config{Drain: time.Second, Stats: &stats})
	}()
	// When ctx ends they take no more requests, and answer those that they have.
	if err := errors.Join(<-ended, <-ended); err != nil {
		return err
	}
	fmt.Printf("%s: stopped after %d requests\n", name, stats.Handled.Load())
	return nil
}
