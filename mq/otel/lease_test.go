package otel_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/stream/lease"
)

var message = mq.Message{Type: 1, Data: []byte("hello")}

func TestLeasesAreMeasured(t *testing.T) {
	s := newSeen(t)
	q := mqtest.New(&mqtest.Config{Lease: 10 * time.Second})
	defer q.Close()
	for _, text := range []string{"good", "bad", "panic", "goexit"} {
		if err := q.TrySend(mq.Message{Type: 1, Data: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	handled, buried := 0, map[string]int{}
	failed := 0
	err := s.HandleLeases(ctx, s.Queue(q, "jobs"), func(ctx context.Context, d lease.Delivery) error {
		if !trace.SpanFromContext(ctx).IsRecording() {
			t.Error("there is no span")
		}
		handled++
		switch string(d.Data) {
		case "bad":
			return errors.New("bad")
		case "panic":
			panic("oh")
		case "goexit":
			runtime.Goexit()
		}
		return nil
	}, &lease.Config{
		MaxAttempts: 2, RetryDelay: func(int, error) time.Duration { return 0 },
		DeadLetter: func(_ context.Context, d lease.Delivery, err error) error {
			if buried[string(d.Data)]++; len(buried) == 3 {
				stop()
			}
			return nil
		},
		OnError: func(lease.Delivery, error) { failed++ },
	})
	if err != nil || handled != 7 {
		t.Errorf("%d handled, %v", handled, err)
	}
	metrics := s.metrics(t)
	want(t, metrics, map[string]float64{
		"messaging.process.duration error.type=_OTHER process": 2,
		"messaging.process.duration error.type=panic process":  2,
		"ipcmq.lease.retries":      3,
		"ipcmq.lease.dead_letters": 3,
	})
	if n := metrics["ipcmq.lease.failures error.type=_OTHER"] + metrics["ipcmq.lease.failures error.type=panic"]; int(n) != failed || failed == 0 {
		t.Errorf("%v failures, %d reported", n, failed)
	}
	if n := len(s.spans.Ended()); n != 7 {
		t.Errorf("%d spans", n)
	}
}
