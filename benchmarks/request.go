package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"ipcmq/mq"
	"ipcmq/mux/rpc"
)

// requestReply returns a function that sets call and serve to Request and Handle of
// package rpc, with that Spin.
func requestReply(spin time.Duration) func(j job, e *end, out, in mq.Queue) error {
	return func(j job, e *end, out, in mq.Queue) error {
		q := out
		if j.Role == serve {
			q = in
		}
		client, err := rpc.NewClient(q, &rpc.ClientConfig{Spin: spin})
		if err != nil {
			return err
		}
		e.close = ends(client.Close, e.close)
		e.call = func(ctx context.Context, data []byte) ([]byte, error) {
			return client.Request(ctx, requestType(q), data)
		}
		e.serve = func(ctx context.Context, n int) error { return handle(ctx, q, n, &rpc.Config{Spin: spin}) }
		return nil
	}
}

// handle answers n requests.
func handle(ctx context.Context, q mq.Queue, n int, cfg *rpc.Config) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var handled atomic.Int64
	return rpc.Handle(ctx, q, requestType(q), func(_ context.Context, data []byte) ([]byte, error) {
		if handled.Add(1) == int64(n) {
			cancel()
		}
		return data, nil
	}, cfg)
}

// requestType is the type of requests on q, 0 if it has no types.
func requestType(q mq.Queue) int64 { return min(1, q.Capabilities().MaxType) }

// ask sends requests from several goroutines at once and checks the replies.
func (j job) ask(ctx context.Context, e end) (report, error) {
	if e.call == nil {
		return report{}, fmt.Errorf("%s has no requests", j.Layer)
	}
	meter := newMeter(j)
	if err := j.askAll(ctx, e, j.Warm); err != nil {
		return report{}, err
	}
	meter.begin()
	if err := j.askAll(ctx, e, j.Count); err != nil {
		return report{}, err
	}
	meter.end()
	return meter.report, meter.err
}

// askAll makes n calls, in the number of goroutines given by j.
func (j job) askAll(ctx context.Context, e end, n int) error {
	callers := max(j.Callers, 1)
	errs := make([]error, callers)
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			data := j.payload()
			for i := c; i < n && errs[c] == nil; i += callers {
				binary.NativeEndian.PutUint64(data, uint64(i))
				reply, err := e.call(ctx, data)
				if err == nil && !bytes.Equal(reply, data) {
					err = fmt.Errorf("reply %d is not what was sent", i)
				}
				errs[c] = err
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// serve answers the requests of ask.
func (j job) serve(ctx context.Context, e end) (report, error) {
	if e.serve == nil {
		return report{}, fmt.Errorf("%s answers no requests", j.Layer)
	}
	start := processorTime()
	if err := e.serve(ctx, j.Warm+j.Count); err != nil {
		return report{}, err
	}
	// This includes the warm-up, so take only the share of the rest.
	cpu := (processorTime() - start).Nanoseconds()
	return report{CPU: cpu * int64(j.Count) / int64(j.Warm+j.Count)}, nil
}
