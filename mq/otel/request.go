package otel

import (
	"context"
	"maps"
	"slices"
	"time"

	api "go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"ipcmq/mq"
	"ipcmq/mux/rpc"
)

// messageType is the type of a request; a program has few of them.
const messageType = attribute.Key("ipcmq.message.type")

// A Client is an rpc.Client whose requests are measured and traced.
type Client struct {
	*rpc.Client
	calls, ranges *calls
}

// Client returns c with its requests measured and traced, under the name destination.
func (t *Telemetry) Client(c *rpc.Client, destination string) *Client {
	calls := func(name string) *calls {
		return t.newCalls(destination, name, semconv.MessagingOperationTypeSend, trace.SpanKindClient, t.consumed, t.gotBytes)
	}
	return &Client{c, calls("request"), calls("replies")}
}

// Request is [rpc.Client.Request] in a span, whose context travels with the request.
// Metadata set by the caller stays; if there is no room for both, the optional parts of
// the trace context are left out first, then all of it.
func (c *Client) Request(ctx context.Context, t int64, data []byte) ([]byte, error) {
	return c.calls.request(ctx, t, len(data), func(ctx context.Context) ([]byte, error) { return c.Client.Request(ctx, t, data) })
}

// Call is [rpc.Method.Call] through a tracing client, as [Client.Request].
func Call[Req, Resp any](ctx context.Context, m rpc.Method[Req, Resp], c *Client, v Req) (reply Resp, err error) {
	_, err = c.calls.request(ctx, m.Type, -1, func(ctx context.Context) ([]byte, error) {
		reply, err = m.Call(ctx, c.Client, v)
		return nil, err
	})
	return reply, err
}

// request sends a request in a span. A size of -1 means unknown.
func (c *calls) request(ctx context.Context, t int64, size int, do func(context.Context) ([]byte, error)) ([]byte, error) {
	ctx, end := c.beginRequest(ctx, t, size)
	reply, err := do(ctx)
	end(err)
	return reply, err
}

// beginRequest begins the span of a request, whose context travels with it.
func (c *calls) beginRequest(ctx context.Context, t int64, size int) (_ context.Context, end func(error, ...attribute.KeyValue)) {
	begun := time.Now()
	ctx, span := c.tracer.Start(ctx, c.title, c.start...)
	if span.IsRecording() {
		span.SetAttributes(messageType.Int64(t))
		if size >= 0 {
			span.SetAttributes(semconv.MessagingMessageBodySize(size))
		}
	}
	if span.SpanContext().IsValid() {
		ctx = c.inject(ctx)
	}
	return ctx, func(err error, more ...attribute.KeyValue) {
		if c.operation.Enabled(ctx) {
			took := time.Since(begun).Seconds()
			if err == nil {
				c.operation.Record(ctx, took, c.record...)
			} else {
				c.operation.Record(ctx, took, c.failed(err))
			}
		}
		endSpan(span, err, more...)
	}
}

func (t *Telemetry) propagation() propagation.TextMapPropagator {
	if t.propagator != nil {
		return t.propagator
	}
	return api.GetTextMapPropagator()
}

// inject puts the trace context into the metadata of requests.
func (t *Telemetry) inject(ctx context.Context) context.Context {
	carrier := propagation.MapCarrier{}
	t.propagation().Inject(ctx, carrier)
	if len(carrier) == 0 {
		return ctx
	}
	md := rpc.OutgoingMetadata(ctx)
	size := 0
	for key, value := range md {
		size += pairSize(key, value)
	}
	if md == nil {
		md = rpc.Metadata{}
	}
	keys := slices.SortedFunc(maps.Keys(carrier), func(a, b string) int { return priority(a) - priority(b) })
	for _, key := range keys {
		if _, there := md[key]; there {
			continue // set by the caller
		}
		if n := pairSize(key, carrier[key]); size+n <= rpc.MaxMetadata {
			md[key] = carrier[key]
			size += n
		}
	}
	return rpc.WithMetadata(ctx, md)
}

// pairSize is how much of rpc.MaxMetadata a pair uses.
func pairSize(key, value string) int { return 3 + len(key) + len(value) }

// priority orders the headers of W3C: the first identifies the trace.
func priority(key string) int {
	switch key {
	case "traceparent":
		return 0
	case "tracestate":
		return 1
	}
	return 2
}

// HandleRequests is [rpc.Handle] with each request in a span, a child of the client's
// span. The queue has the name given to [Telemetry.Queue].
func (t *Telemetry) HandleRequests(ctx context.Context, q mq.Queue, typ int64, h rpc.Handler, cfg *rpc.Config) error {
	var c rpc.Config
	if cfg != nil {
		c = *cfg
	}
	destination := destinationOf(q)
	report := c.OnError
	c.OnError = func(request mq.Message, err error) {
		t.unanswered.Add(context.Background(), 1, metric.WithAttributes(system, semconv.MessagingDestinationName(destination), errorType(err)))
		if report != nil {
			report(request, err)
		}
	}
	if h != nil {
		h = t.RequestHandler(destination, typ, h)
	}
	return rpc.Handle(ctx, q, typ, h, &c)
}

// RequestHandler returns h with each request in a span, for handlers that are not
// passed to [Telemetry.HandleRequests]. typ is the type of the requests.
func (t *Telemetry) RequestHandler(destination string, typ int64, h rpc.Handler) rpc.Handler {
	p := t.newProcessing(destination, trace.SpanKindServer, messageType.Int64(typ))
	return func(ctx context.Context, request []byte) (reply []byte, err error) {
		if md := rpc.RequestMetadata(ctx); len(md) > 0 {
			ctx = t.propagation().Extract(ctx, propagation.MapCarrier(md))
		}
		ctx, end := p.begin(ctx, len(request))
		defer func() { end(recover(), &err) }()
		return h(ctx, request)
	}
}
