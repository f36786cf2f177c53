package otel_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"ipcmq/mq"
	"ipcmq/mq/otel"
	"ipcmq/mq/sysv"
	"ipcmq/mux/rpc"
)

// A request is a span of its client, and another one of its server, in one trace. A
// program gives its own exporter; this one keeps the spans in memory.
func Example() {
	spans := tracetest.NewInMemoryExporter()
	seen, err := otel.New(&otel.Config{
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)),
		Propagator:     propagation.TraceContext{},
	})
	if err != nil {
		log.Fatal(err)
	}
	q, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	defer q.Remove()
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
	served := make(chan error)
	go func() { // in another process, otherwise
		served <- seen.HandleRequests(ctx, seen.Queue(q, "clock"), 7, func(context.Context, []byte) ([]byte, error) {
			return []byte("noon"), nil
		}, nil)
	}()

	plain, err := rpc.NewClient(seen.Queue(q, "clock"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer plain.Close()
	reply, err := seen.Client(plain, "clock").Request(ctx, 7, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", reply)
	stop()
	if err := <-served; err != nil {
		log.Fatal(err)
	}

	all := spans.GetSpans()
	for _, kind := range []string{"client", "server"} {
		for _, s := range all {
			if s.SpanKind.String() == kind {
				fmt.Printf("%s: %s, in the trace of all: %v\n", kind, s.Name, s.SpanContext.TraceID() == all[0].SpanContext.TraceID())
			}
		}
	}
	// Output:
	// noon
	// client: request clock, in the trace of all: true
	// server: process clock, in the trace of all: true
}

// What a queue sends and receives is counted. A program gives its own reader of metrics,
// such as that of an exporter.
func ExampleTelemetry_Queue() {
	reader := sdkmetric.NewManualReader()
	seen, err := otel.New(&otel.Config{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))})
	if err != nil {
		log.Fatal(err)
	}
	kernel, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer kernel.Close()
	defer kernel.Remove()
	q := seen.Queue(kernel, "jobs")
	ctx := context.Background()
	for range 3 {
		if err := q.Send(ctx, mq.Message{Type: 1, Data: []byte("hello")}); err != nil {
			log.Fatal(err)
		}
	}
	if _, err := q.Receive(ctx); err != nil {
		log.Fatal(err)
	}

	var metrics metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &metrics); err != nil {
		log.Fatal(err)
	}
	for _, m := range metrics.ScopeMetrics[0].Metrics {
		if sum, ok := m.Data.(metricdata.Sum[int64]); ok && m.Unit == "{message}" {
			fmt.Println(m.Name, sum.DataPoints[0].Value)
		}
	}
	// Output:
	// messaging.client.sent.messages 3
	// messaging.client.consumed.messages 1
}
