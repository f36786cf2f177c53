package integration_test

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/mq/otel"
	"ipcmq/stream/lease"
)

func init() { roles["traced handler"] = tracedHandler }

// A told is a span that a process reports on its standard output.
type told struct{ Name, Trace, Span, Parent string }

// spans reports spans.
type spans struct{ to *json.Encoder }

func (s spans) ExportSpans(_ context.Context, all []sdktrace.ReadOnlySpan) error {
	for _, span := range all {
		err := s.to.Encode(told{span.Name(), span.SpanContext().TraceID().String(), span.SpanContext().SpanID().String(), span.Parent().SpanID().String()})
		if err != nil {
			return err
		}
	}
	return nil
}

func (spans) Shutdown(context.Context) error { return nil }

func newTelemetry(to *os.File) (*otel.Telemetry, *sdktrace.TracerProvider) {
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans{json.NewEncoder(to)}))
	t, err := otel.New(&otel.Config{TracerProvider: tracer, Propagator: propagation.TraceContext{}})
	must(err)
	return t, tracer
}

// tracedHandler handles the messages of one queue and sends each on to another. Its
// arguments are the URL and both.
func tracedHandler() {
	from, err := jetstream.Open(context.Background(), os.Args[1], os.Args[2], nil)
	must(err)
	to, err := jetstream.Open(context.Background(), os.Args[1], os.Args[3], nil)
	must(err)
	t, _ := newTelemetry(os.Stdout)
	next := t.Queue(to, "bills")
	must(t.HandleLeases(untilEnd(), t.Queue(from, "orders"), func(ctx context.Context, d lease.Delivery) error {
		return next.Send(ctx, d.Message)
	}, nil))
	must(from.Close())
	must(to.Close())
}

// A trace goes from the sender over JetStream to the process that handles the message,
// and from there to the next.
func TestATraceCrossesTwoHops(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	orders, bills := openQueue(t, url, "orders", nil), openQueue(t, url, "bills", nil)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	telemetry, tracer := newTelemetry(w)
	cmd, in, out := startPiped(t, "traced handler", url, "orders", "bills")
	ctx, root := tracer.Tracer("test").Start(t.Context(), "root")
	if err := telemetry.Queue(orders, "orders").Send(ctx, mq.Message{Type: 1, Data: []byte("an order")}); err != nil {
		t.Fatal(err)
	}
	root.End()
	ctx, cancel := context.WithCancel(t.Context())
	err = telemetry.HandleLeaseBatches(ctx, telemetry.Queue(bills, "bills"), func(_ context.Context, batch []lease.Delivery) error {
		if len(batch) != 1 || batch[0].Header["traceparent"] == "" {
			t.Errorf("%+v", batch)
		}
		cancel()
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	in.Close()
	w.Close()
	here, there := read(t, bufio.NewScanner(r)), read(t, bufio.NewScanner(out))
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	find := func(all []told, name string) told {
		i := slices.IndexFunc(all, func(s told) bool { return s.Name == name })
		if i < 0 {
			t.Fatalf("no span %s among %+v", name, all)
		}
		return all[i]
	}
	sent, handled, passed := find(here, "send orders"), find(there, "process orders"), find(there, "send bills")
	if handled.Trace != sent.Trace || handled.Parent != sent.Span || passed.Trace != sent.Trace || passed.Parent != handled.Span {
		t.Errorf("%+v is not in the trace of %+v, or %+v not in that", handled, sent, passed)
	}
	t.Logf("root %s > send orders %s > (JetStream) > process orders %s > send bills %s", sent.Parent, sent.Span, handled.Span, passed.Span)
}

func read(t *testing.T, lines *bufio.Scanner) (all []told) {
	t.Helper()
	for lines.Scan() {
		var s told
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			t.Fatalf("%s: %v", lines.Bytes(), err)
		}
		all = append(all, s)
	}
	return all
}
