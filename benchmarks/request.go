package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"

	"ipcmq/mq"
	"ipcmq/mux"
)

// requests is ping by request and reply.
func requests(ctx context.Context, j job, q mq.Queue) (report, error) {
	m, err := mux.New(q, nil)
	if err != nil {
		return report{}, err
	}
	meter, data := newMeter(j), make([]byte, j.Size)
	for i := range j.Warm + j.Count {
		binary.NativeEndian.PutUint64(data, uint64(i))
		reply, err := m.Request(ctx, requestType(q), data)
		if err == nil && !bytes.Equal(reply, data) {
			err = fmt.Errorf("reply %d is not what was sent", i)
		}
		if err != nil {
			return report{}, errors.Join(err, m.Close())
		}
		meter.count()
	}
	return meter.report, errors.Join(meter.err, m.Close())
}

// handle is echo by request and reply.
func handle(ctx context.Context, j job, q mq.Queue) (report, error) {
	m, err := mux.New(q, nil)
	if err != nil {
		return report{}, err
	}
	var handled atomic.Int64
	all := make(chan struct{})
	_, err = m.Handle(requestType(q), func(_ context.Context, data []byte) ([]byte, error) {
		if handled.Add(1) == int64(j.Warm+j.Count) {
			close(all)
		}
		return data, nil
	}, nil)
	if err != nil {
		return report{}, errors.Join(err, m.Close())
	}
	select {
	case <-all:
	case <-m.Done():
		return report{}, m.Err()
	}
	return report{}, m.Shutdown(ctx)
}

// requestType is the type of requests on q, 0 if it has no types.
func requestType(q mq.Queue) int64 { return min(1, q.Capabilities().MaxType) }
