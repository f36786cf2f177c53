package otel_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mq/otel"
	"ipcmq/mq/sysv"
	"ipcmq/mux"
	"ipcmq/stream"
)

// A removable is a measured queue that the contract can remove.
type removable struct {
	mq.Queue
	remove func() error
}

func (r removable) Remove() error    { return r.remove() }
func (r removable) Unwrap() mq.Queue { return r.Queue }

// A measured queue is a queue, whether anything is recorded or not.
func TestContract(t *testing.T) {
	for name, newTelemetry := range map[string]func(*testing.T) *otel.Telemetry{
		"Recorded": func(t *testing.T) *otel.Telemetry { return newSeen(t).Telemetry },
		"Nothing": func(t *testing.T) *otel.Telemetry {
			none, err := otel.New(nil)
			if err != nil {
				t.Fatal(err)
			}
			return none
		},
	} {
		t.Run(name, func(t *testing.T) {
			mqtest.TestQueue(t, func(t *testing.T) func() mq.Queue {
				telemetry, first := newTelemetry(t), mqtest.New(&mqtest.Config{Capacity: 1024, MaxMessage: 256})
				t.Cleanup(func() { first.Close() })
				return func() mq.Queue {
					q := first.Open()
					return removable{telemetry.Queue(q, "jobs"), q.Remove}
				}
			})
		})
	}
}

func want(t *testing.T, got, want map[string]float64) {
	t.Helper()
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if got[key] != want[key] {
			t.Errorf("%s is %v instead of %v", key, got[key], want[key])
		}
	}
	if t.Failed() {
		t.Logf("%v", got)
	}
}

func TestCallsAreMeasured(t *testing.T) {
	s := newSeen(t)
	q := s.Queue(newQueue(t, &sysv.Config{Capacity: 20}), "jobs")
	ctx, cancel := context.WithCancel(context.Background())
	m := mq.Message{Type: 1, Data: []byte("1234567890")}
	for _, err := range []error{q.Send(ctx, m), q.TrySend(m)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := q.TrySend(m); !errors.Is(err, mq.ErrFull) {
		t.Error(err)
	}
	cancel()
	if err := q.Send(ctx, m); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	ctx = context.Background()
	if err := q.Send(ctx, mq.Message{Type: 1, Data: make([]byte, 30)}); !errors.Is(err, mq.ErrTooLarge) {
		t.Error(err)
	}
	r, err := q.Select(mq.Type(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Receive(ctx); err != nil {
		t.Error(err)
	}
	if all, err := mq.ReceiveBatch(ctx, q, 5); err != nil || len(all) != 1 {
		t.Errorf("%d received, %v", len(all), err)
	}
	if _, err := q.TryReceive(); !errors.Is(err, mq.ErrEmpty) {
		t.Error(err)
	}
	if n, err := mq.SendBatch(ctx, q, []mq.Message{m, {Type: 1, Data: m.Data[:3]}, {Type: -1}, m}); n != 2 || !errors.Is(err, mq.ErrInvalidType) {
		t.Errorf("%d sent, %v", n, err)
	}
	want(t, s.metrics(t), map[string]float64{
		"messaging.client.sent.messages send":                             4,
		"messaging.client.sent.messages error.type=full send":             1,
		"messaging.client.sent.messages error.type=canceled send":         1,
		"messaging.client.sent.messages error.type=too_large send":        1,
		"messaging.client.sent.messages error.type=invalid send":          2,
		"ipcmq.client.sent.bytes send":                                    33,
		"messaging.client.consumed.messages receive":                      2,
		"ipcmq.client.consumed.bytes receive":                             20,
		"messaging.client.operation.duration send":                        1,
		"messaging.client.operation.duration receive":                     2,
		"messaging.client.operation.duration error.type=canceled send":    1,
		"messaging.client.operation.duration error.type=empty receive":    0,
		"messaging.client.sent.messages error.type=empty receive":         0,
		"messaging.client.operation.duration error.type=invalid send":     1,
		"messaging.client.consumed.messages error.type=canceled receive":  0,
		"messaging.client.operation.duration error.type=too_large send":   1,
		"messaging.client.consumed.messages error.type=empty receive":     0,
		"messaging.client.operation.duration error.type=full send":        0,
		"messaging.client.operation.duration error.type=closed receive":   0,
		"messaging.client.operation.duration error.type=canceled receive": 0,
	})
	if names := s.ended(); len(names) > 0 {
		t.Errorf("spans without a trace: %v", names)
	}
}

// Calls of a queue have spans if they are part of a trace.
func TestCallsArePartOfATrace(t *testing.T) {
	s := newSeen(t)
	q := s.Queue(newQueue(t, nil), "jobs")
	ctx, root := s.tracer.Tracer("test").Start(context.Background(), "root")
	if err := q.Send(ctx, mq.Message{Type: 1, Data: []byte("hello")}); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Receive(ctx); err != nil {
		t.Fatal(err)
	}
	late, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	if _, err := q.Receive(late); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	root.End()
	if got := s.ended(); !slices.Equal(got, []string{"receive jobs", "receive jobs", "root", "send jobs"}) {
		t.Errorf("spans %v", got)
	}
	for _, span := range s.spans.Ended() {
		if span.Name() != "root" && span.Parent().SpanID() != root.SpanContext().SpanID() {
			t.Errorf("%s has another parent", span.Name())
		}
	}
}

// Further abilities of a queue are available through the wrapper.
func TestAbilitiesOfAQueueStay(t *testing.T) {
	s := newSeen(t)
	lending := mqtest.New(&mqtest.Config{Lease: time.Second})
	defer lending.Close()
	for name, q := range map[string]mq.Queue{"System V": newQueue(t, nil), "lending": lending} {
		wrapped := s.Queue(q, "jobs")
		if _, before := mq.As[mq.Exchange](q); !before {
			t.Fatal(name)
		}
		_, exchange := mq.As[mq.Exchange](wrapped)
		_, checker := mq.As[mq.Checker](wrapped)
		_, meter := mq.As[mq.Meter](wrapped)
		_, clocked1 := mq.As[mq.Clocked](q)
		_, clocked2 := mq.As[mq.Clocked](wrapped)
		_, leaser1 := mq.As[mq.Leaser](q)
		_, leaser2 := mq.As[mq.Leaser](wrapped)
		if !exchange || !checker || !meter || clocked1 != clocked2 || leaser1 != leaser2 {
			t.Errorf("%s: exchange %t, checker %t, meter %t, clocked %t %t, leaser %t %t", name, exchange, checker, meter, clocked1, clocked2, leaser1, leaser2)
		}
		if _, batches := wrapped.(mq.BatchSender); !batches {
			t.Error("it sends no batches")
		}
	}
}

func TestChannelsAreMeasured(t *testing.T) {
	s := newSeen(t)
	q := newQueue(t, nil)
	for typ := range 2 {
		for range 3 {
			if err := q.TrySend(mq.Message{Type: int64(typ + 1)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	numbers, err := stream.New(q, &stream.Config{Select: mq.Type(1)})
	if err != nil {
		t.Fatal(err)
	}
	stop, err := s.Stream(numbers, "stream")
	if err != nil {
		t.Fatal(err)
	}
	m, err := mux.New(q, nil)
	if err != nil {
		t.Fatal(err)
	}
	sub, err := m.Subscribe(mq.Type(2), nil)
	if err != nil {
		t.Fatal(err)
	}
	stop2, err := s.Subscription(sub, "subscription")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		<-numbers.Messages()
		<-sub.Messages()
	}
	want(t, s.metrics(t), map[string]float64{
		"ipcmq.channel.delivered messaging.destination.name=stream":       3,
		"ipcmq.channel.delivered messaging.destination.name=subscription": 3,
		"ipcmq.channel.buffered messaging.destination.name=stream":        0,
		"ipcmq.channel.dropped messaging.destination.name=subscription":   0,
	})
	for _, end := range []func() error{stop, stop2, numbers.Close, m.Close} {
		if err := end(); err != nil {
			t.Error(err)
		}
	}
	if _, there := s.metrics(t)["ipcmq.channel.delivered messaging.destination.name=stream"]; there {
		t.Error("it is measured after stop")
	}
}
