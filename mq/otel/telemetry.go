package otel

import (
	"context"
	"errors"
	"io/fs"

	api "go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/messagingconv"
	"go.opentelemetry.io/otel/trace"

	"ipcmq/mq"
	"ipcmq/mux/rpc"
	"ipcmq/stream/lease"
)

// scope is the name of the instrumentation.
const scope = "ipcmq/mq/otel"

// Config sets where measurements and spans go. The zero value, like a nil *Config,
// means the global providers and propagator, even if they are set later.
type Config struct {
	MeterProvider  metric.MeterProvider
	TracerProvider trace.TracerProvider

	// Propagator puts the trace context into the metadata of requests. The
	// global one does nothing until it is set: see otel.SetTextMapPropagator.
	Propagator propagation.TextMapPropagator
}

// Telemetry measures and traces. Several goroutines may call its methods at once.
type Telemetry struct {
	tracer     trace.Tracer
	meter      metric.Meter
	propagator propagation.TextMapPropagator // nil for the global one

	sent        metric.Int64Counter
	consumed    metric.Int64Counter
	operation   metric.Float64Histogram
	process     metric.Float64Histogram
	sentBytes   metric.Int64Counter
	gotBytes    metric.Int64Counter
	unanswered  metric.Int64Counter
	retries     metric.Int64Counter
	deadLetters metric.Int64Counter
	failures    metric.Int64Counter
	channel     channelInstruments
}

// New creates the instruments. It fails if their provider does.
func New(cfg *Config) (*Telemetry, error) {
	var c Config
	if cfg != nil {
		c = *cfg
	}
	if c.MeterProvider == nil {
		c.MeterProvider = api.GetMeterProvider()
	}
	if c.TracerProvider == nil {
		c.TracerProvider = api.GetTracerProvider()
	}
	t := &Telemetry{
		tracer:     c.TracerProvider.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL)),
		meter:      c.MeterProvider.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL)),
		propagator: c.Propagator,
	}
	var errs []error
	counter := func(name, unit, what string) metric.Int64Counter {
		i, err := t.meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(what))
		errs = append(errs, err)
		return i
	}
	sent, err1 := messagingconv.NewClientSentMessages(t.meter)
	consumed, err2 := messagingconv.NewClientConsumedMessages(t.meter)
	operation, err3 := messagingconv.NewClientOperationDuration(t.meter, durations)
	process, err4 := messagingconv.NewProcessDuration(t.meter, durations)
	t.sent, t.consumed, t.operation, t.process = sent.Inst(), consumed.Inst(), operation.Inst(), process.Inst()
	t.sentBytes = counter("ipcmq.client.sent.bytes", "By", "Payload sent.")
	t.gotBytes = counter("ipcmq.client.consumed.bytes", "By", "Payload received.")
	t.unanswered = counter("ipcmq.rpc.unanswered", "{message}", "Requests that a server took and did not answer.")
	t.retries = counter("ipcmq.lease.retries", "{message}", "Messages given to a handler again.")
	t.deadLetters = counter("ipcmq.lease.dead_letters", "{message}", "Messages accepted by DeadLetter.")
	t.failures = counter("ipcmq.lease.failures", "{message}", "Failed attempts and lost leases.")
	var err5 error
	t.channel, err5 = newChannelInstruments(t.meter)
	if err := errors.Join(append(errs, err1, err2, err3, err4, err5)...); err != nil {
		return nil, err
	}
	return t, nil
}

// durations range from a call that does not wait, less than a microsecond, to one that
// waits long.
var durations = metric.WithExplicitBucketBoundaries(
	1e-6, 5e-6, 1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 0.1, 0.5, 1, 5, 10, 60)

var system = semconv.MessagingSystemKey.String("ipcmq")

// recording reports whether a call must be recorded: there is a meter, or a recorded
// span.
func (t *Telemetry) recording(ctx context.Context) bool {
	return t.sent.Enabled(ctx) || traced(ctx)
}

func traced(ctx context.Context) bool { return trace.SpanFromContext(ctx).IsRecording() }

// errorType returns the word for the kind of err.
func errorType(err error) attribute.KeyValue {
	for _, kind := range errorKinds {
		if errors.Is(err, kind.err) {
			return semconv.ErrorTypeKey.String(kind.word)
		}
	}
	var remote *rpc.RemoteError
	if errors.As(err, &remote) {
		return semconv.ErrorTypeKey.String("remote")
	}
	var panicked *mq.PanicError
	if errors.As(err, &panicked) {
		return semconv.ErrorTypeKey.String("panic")
	}
	return semconv.ErrorTypeOther
}

// errorKinds has the most specific kinds first: an unanswered request is also late.
var errorKinds = []struct {
	err  error
	word string
}{
	{rpc.ErrNoServer, "no_server"}, {rpc.ErrReplyLost, "reply_lost"}, {rpc.ErrExpired, "expired"}, {rpc.ErrNotRequest, "not_request"},
	{rpc.ErrOverrun, "overrun"}, {rpc.ErrNoAnswer, "no_answer"},
	{lease.ErrLost, "lease_lost"}, {lease.ErrAttempts, "too_many_attempts"},
	{mq.ErrFull, "full"}, {mq.ErrEmpty, "empty"}, {mq.ErrTooLarge, "too_large"}, {mq.ErrRemoved, "removed"}, {mq.ErrClosed, "closed"},
	{mq.ErrLeaseOver, "lease_over"}, {mq.ErrInDoubt, "in_doubt"}, {mq.ErrUnavailable, "unavailable"},
	{mq.ErrInvalidType, "invalid"}, {mq.ErrInvalidPriority, "invalid"}, {mq.ErrInvalidConfig, "invalid"},
	{context.DeadlineExceeded, "deadline_exceeded"}, {context.Canceled, "canceled"},
	{fs.ErrPermission, "permission"}, {fs.ErrNotExist, "not_exist"}, {errors.ErrUnsupported, "unsupported"},
}
