package otel_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"ipcmq/internal/testutil"
	"ipcmq/mq/codec"
	"ipcmq/mq/otel"
	"ipcmq/mq/sysv"
	"ipcmq/mux/rpc"
)

// A remoteSpan is a span of the other process.
type remoteSpan struct{ Name, Trace, Span, Parent, Kind string }

// An exporter writes spans to standard output.
type exporter struct{}

func (exporter) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, s := range spans {
		err := json.NewEncoder(os.Stdout).Encode(remoteSpan{s.Name(), s.SpanContext().TraceID().String(), s.SpanContext().SpanID().String(),
			s.Parent().SpanID().String(), s.SpanKind().String()})
		if err != nil {
			return err
		}
	}
	return nil
}

func (exporter) Shutdown(context.Context) error { return nil }

// server answers requests in the queue with the given id, and sends a message to itself
// while it does so.
func server() {
	id := 0
	fmt.Sscan(os.Args[1], &id)
	q, err := sysv.OpenID(id, nil)
	if err == nil {
		var seen *otel.Telemetry
		seen, err = otel.New(&otel.Config{TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter{})), Propagator: propagation.TraceContext{}})
		if err == nil {
			wrapped := seen.Queue(q, "jobs")
			err = seen.HandleRequests(context.Background(), wrapped, 7, func(ctx context.Context, request []byte) ([]byte, error) {
				if string(request) == "panic" {
					panic("oh")
				}
				return request, wrapped.Send(ctx, message)
			}, nil)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// A trace continues in the process that answers a request.
func TestATraceAcrossTwoProcesses(t *testing.T) {
	testutil.NeedNamespace(t)
	q := newQueue(t, nil)
	s := newSeen(t)
	other := testutil.Command(t, "server", fmt.Sprint(q.ID()))
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	client, err := rpc.NewClient(s.Queue(q, "jobs"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	ctx, root := s.tracer.Tracer("test").Start(ctx, "root")
	if reply, err := s.Client(client, "jobs").Request(ctx, 7, []byte("hello")); err != nil || string(reply) != "hello" {
		t.Fatalf("%q, %v", reply, err)
	}
	root.End()
	spans := map[string]remoteSpan{}
	for _, span := range s.spans.Ended() {
		spans[span.Name()] = remoteSpan{span.Name(), span.SpanContext().TraceID().String(), span.SpanContext().SpanID().String(), span.Parent().SpanID().String(), span.SpanKind().String()}
	}
	for lines := bufio.NewScanner(out); len(spans) < 5 && lines.Scan(); {
		var span remoteSpan
		if err := json.Unmarshal(lines.Bytes(), &span); err != nil {
			t.Fatal(err)
		}
		spans[span.Name+" there"] = span
	}
	for _, link := range []struct{ child, parent, kind string }{
		{"request jobs", "root", "client"},
		{"send jobs", "request jobs", "producer"},
		{"process jobs there", "request jobs", "server"},
		{"send jobs there", "process jobs there", "producer"},
	} {
		child, parent := spans[link.child], spans[link.parent]
		if child.Parent == "" || child.Parent != parent.Span || child.Trace != spans["root"].Trace || child.Kind != link.kind {
			t.Errorf("%s: %+v is not a child of %+v", link.child, child, parent)
		}
		t.Logf("%-20s %-8s trace %s span %s parent %s", link.child, child.Kind, child.Trace, child.Span, child.Parent)
	}
}

// serve answers requests in this process.
func serve(t *testing.T, s *seen, q *sysv.Queue, h rpc.Handler) *otel.Client {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.HandleRequests(ctx, s.Queue(q, "jobs"), 7, h, nil) }()
	client, err := rpc.NewClient(q, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return s.Client(client, "jobs")
}

// The metadata of the caller stays, and a trace context that is too large does not make
// a request fail.
func TestMetadataOfTheCallerStays(t *testing.T) {
	s := newSeen(t)
	var got rpc.Metadata
	client := serve(t, s, newQueue(t, nil), func(ctx context.Context, _ []byte) ([]byte, error) {
		got = rpc.RequestMetadata(ctx)
		return nil, nil
	})
	ctx := context.Background()
	member, err := baggage.NewMember("large", strings.Repeat("x", 900))
	if err != nil {
		t.Fatal(err)
	}
	large, err := baggage.New(member)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		ctx     context.Context
		mine    rpc.Metadata
		parent  bool
		baggage bool
	}{
		"alone":          {ctx, nil, true, false},
		"with more":      {ctx, rpc.Metadata{"mine": "x"}, true, false},
		"large baggage":  {baggage.ContextWithBaggage(ctx, large), rpc.Metadata{"mine": strings.Repeat("y", 20)}, true, false},
		"no room at all": {ctx, rpc.Metadata{"mine": strings.Repeat("y", 940)}, false, false},
		"mine first":     {ctx, rpc.Metadata{"traceparent": "mine"}, true, false},
	} {
		ctx := test.ctx
		if test.mine != nil {
			ctx = rpc.WithMetadata(ctx, test.mine)
		}
		if _, err := client.Request(ctx, 7, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for key, value := range test.mine {
			if got[key] != value {
				t.Errorf("%s: %s is %q", name, key, got[key])
			}
		}
		if (got["traceparent"] != "") != test.parent || (got["baggage"] != "") != test.baggage {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestRequestsAreMeasured(t *testing.T) {
	s := newSeen(t)
	q := newQueue(t, nil)
	client := serve(t, s, q, func(_ context.Context, request []byte) ([]byte, error) {
		switch string(request) {
		case "fail":
			return nil, errors.New("failed")
		case "panic":
			panic("oh")
		}
		return request, nil
	})
	ctx := context.Background()
	if _, err := client.Request(ctx, 7, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	var remote *rpc.RemoteError
	if _, err := client.Request(ctx, 7, []byte("fail")); !errors.As(err, &remote) || remote.Code != rpc.CodeFailed {
		t.Fatal(err)
	}
	if _, err := client.Request(ctx, 7, []byte("panic")); !errors.As(err, &remote) || remote.Code != rpc.CodePanicked {
		t.Fatal(err)
	}
	upper := rpc.Method[string, string]{Type: 7, Request: codec.Text[string](), Reply: codec.Text[string]()}
	if reply, err := otel.Call(ctx, upper, client, "typed"); err != nil || reply != "typed" {
		t.Errorf("%q, %v", reply, err)
	}
	testutil.Await(t, func() error { // OnError comes after the reply
		if s.metrics(t)["ipcmq.rpc.unanswered error.type=panic"] == 0 {
			return errors.New("OnError was not called")
		}
		return nil
	})
	want(t, s.metrics(t), map[string]float64{
		"messaging.client.operation.duration request":                   2,
		"messaging.client.operation.duration error.type=remote request": 2,
		"messaging.process.duration process":                            2,
		"messaging.process.duration error.type=_OTHER process":          1,
		"messaging.process.duration error.type=panic process":           1,
		"ipcmq.rpc.unanswered error.type=panic":                         1,
	})
	statuses := map[codes.Code]int{}
	for _, span := range s.spans.Ended() {
		if span.SpanKind() == trace.SpanKindServer {
			statuses[span.Status().Code]++
		}
	}
	if statuses[codes.Error] != 2 || statuses[codes.Unset] != 2 {
		t.Errorf("spans of the server: %v", statuses)
	}
}
