package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"ipcmq/mq"
	"ipcmq/mux"
)

// requestReply returns what sets call and serve to Request and Handle of a mux.
func requestReply(cfg *mux.Config) func(j job, e *end, out, in mq.Queue) error {
	return func(j job, e *end, out, in mq.Queue) error {
		q := out
		if j.Role == serve {
			q = in
		}
		m, err := mux.New(q, cfg)
		if err != nil {
			return err
		}
		e.close = ends(m.Close, e.close)
		e.call = func(ctx context.Context, data []byte) ([]byte, error) { return m.Request(ctx, requestType(q), data) }
		e.serve = func(ctx context.Context, n int) error { return handle(ctx, m, q, n) }
		return nil
	}
}

// handle answers n requests.
func handle(ctx context.Context, m *mux.Mux, q mq.Queue, n int) error {
	var handled atomic.Int64
	all := make(chan struct{})
	_, err := m.Handle(requestType(q), func(_ context.Context, data []byte) ([]byte, error) {
		if handled.Add(1) == int64(n) {
			close(all)
		}
		return data, nil
	}, nil)
	if err != nil {
		return err
	}
	select {
	case <-all:
	case <-m.Done():
		return m.Err()
	}
	return m.Shutdown(ctx)
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

// askAll makes n calls, in as many goroutines as j says.
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
	// The warm-up is in it, so take the share of the rest.
	cpu := (processorTime() - start).Nanoseconds()
	return report{CPU: cpu * int64(j.Count) / int64(j.Warm+j.Count)}, nil
}
