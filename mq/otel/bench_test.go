package otel_test

import (
	"context"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mq/otel"
	"ipcmq/mux/rpc"
	"ipcmq/stream/lease"
)

// variants are the telemetry that a program may have.
var variants = []struct {
	name      string
	telemetry func(b *testing.B) *otel.Telemetry // nil for none
}{
	{"plain", nil},
	{"nothing recorded", func(b *testing.B) *otel.Telemetry { return telemetry(b, nil) }},
	{"metrics", func(b *testing.B) *otel.Telemetry {
		return telemetry(b, &otel.Config{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))})
	}},
	{"metrics and traces", func(b *testing.B) *otel.Telemetry {
		return telemetry(b, &otel.Config{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())), TracerProvider: traces})
	}},
}

// traces creates all spans, and exports none.
var traces = sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.AlwaysSample()))

func telemetry(b testing.TB, c *otel.Config) *otel.Telemetry {
	b.Helper()
	t, err := otel.New(c)
	if err != nil {
		b.Fatal(err)
	}
	return t
}

// BenchmarkSendReceive sends and receives a message in one goroutine.
func BenchmarkSendReceive(b *testing.B) {
	for _, v := range variants {
		b.Run(v.name, func(b *testing.B) {
			ctx := context.Background()
			var q mq.Queue = newQueue(b, nil)
			if v.telemetry != nil {
				q = v.telemetry(b).Queue(q, "jobs")
			}
			if v.name == "metrics and traces" {
				traced, root := traces.Tracer("bench").Start(ctx, "root")
				defer root.End()
				ctx = traced
			}
			var m mq.Message
			b.ReportAllocs()
			for b.Loop() {
				if err := q.Send(ctx, message); err != nil {
					b.Fatal(err)
				}
				if err := q.ReceiveInto(ctx, &m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRequest sends a request to a server in this process.
func BenchmarkRequest(b *testing.B) {
	for _, v := range variants {
		b.Run(v.name, func(b *testing.B) {
			ctx, stop := context.WithCancel(context.Background())
			q := newQueue(b, nil)
			echo := func(_ context.Context, request []byte) ([]byte, error) { return request, nil }
			served := make(chan error, 1)
			var t *otel.Telemetry
			if v.telemetry != nil {
				t = v.telemetry(b)
				go func() { served <- t.HandleRequests(ctx, t.Queue(q, "jobs"), 7, echo, nil) }()
			} else {
				go func() { served <- rpc.Handle(ctx, q, 7, echo, nil) }()
			}
			client, err := rpc.NewClient(q, nil)
			if err != nil {
				b.Fatal(err)
			}
			request := client.Request
			if t != nil {
				request = t.Client(client, "jobs").Request
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := request(ctx, 7, message.Data); err != nil {
					b.Fatal(err)
				}
			}
			client.Close()
			stop()
			if err := <-served; err != nil {
				b.Error(err)
			}
		})
	}
}

func TestRecordingNothingAllocatesNothing(t *testing.T) {
	q := telemetry(t, nil).Queue(newQueue(t, nil), "jobs")
	ctx := context.Background()
	m := mq.Message{Data: make([]byte, 0, 100)}
	if n := testing.AllocsPerRun(1000, func() {
		if err := q.Send(ctx, message); err != nil {
			t.Fatal(err)
		}
		if err := q.ReceiveInto(ctx, &m); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A void is a queue that does nothing.
type void struct{ mq.Queue }

func (void) Capabilities() mq.Capabilities                  { return mq.Capabilities{} }
func (void) Send(context.Context, mq.Message) error         { return nil }
func (void) ReceiveInto(context.Context, *mq.Message) error { return nil }

// BenchmarkWrapper measures only the overhead of a send and a receive.
func BenchmarkWrapper(b *testing.B) {
	for _, v := range variants {
		b.Run(v.name, func(b *testing.B) {
			ctx := context.Background()
			var q mq.Queue = void{}
			if v.telemetry != nil {
				q = v.telemetry(b).Queue(q, "jobs")
			}
			var m mq.Message
			for b.Loop() {
				_ = q.Send(ctx, message)
				_ = q.ReceiveInto(ctx, &m)
			}
		})
	}
}

// BenchmarkLease sends, lends, handles and acknowledges a message in a queue in memory.
func BenchmarkLease(b *testing.B) {
	for _, v := range variants {
		b.Run(v.name, func(b *testing.B) {
			ctx, stop := context.WithCancel(context.Background())
			q := mqtest.New(&mqtest.Config{Lease: time.Minute})
			defer q.Close()
			handled := make(chan struct{})
			h := func(context.Context, lease.Delivery) error { handled <- struct{}{}; return nil }
			ended := make(chan error, 1)
			if v.telemetry != nil {
				t := v.telemetry(b)
				go func() { ended <- t.HandleLeases(ctx, t.Queue(q, "jobs"), h, nil) }()
			} else {
				go func() { ended <- lease.Handle(ctx, q, h, nil) }()
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := q.TrySend(message); err != nil {
					b.Fatal(err)
				}
				<-handled
			}
			stop()
			if err := <-ended; err != nil {
				b.Error(err)
			}
		})
	}
}
