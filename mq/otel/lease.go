package otel

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"ipcmq/mq"
	"ipcmq/stream/lease"
)

// attempt is how many times a message was lent.
const attempt = attribute.Key("ipcmq.lease.attempt")

// HandleLeases is [lease.Handle] with each message in a span, and with retries, dead
// letters and failures counted. The queue is named as [Telemetry.Queue] was told.
func (t *Telemetry) HandleLeases(ctx context.Context, q mq.Queue, h lease.Handler, cfg *lease.Config) error {
	var c lease.Config
	if cfg != nil {
		c = *cfg
	}
	where := []attribute.KeyValue{system, semconv.MessagingDestinationName(destinationOf(q))}
	plain := metric.WithAttributeSet(attribute.NewSet(where...))
	report, bury := c.OnError, c.DeadLetter
	c.OnError = func(d lease.Delivery, err error) {
		t.failures.Add(context.Background(), 1, metric.WithAttributes(append(where[:len(where):len(where)], errorType(err))...))
		if report != nil {
			report(d, err)
		}
	}
	if bury != nil {
		c.DeadLetter = func(ctx context.Context, d lease.Delivery, err error) error {
			buried := bury(ctx, d, err)
			if buried == nil {
				t.deadLetters.Add(ctx, 1, plain)
			}
			return buried
		}
	}
	if h != nil {
		p, next := t.newProcessing(destinationOf(q), trace.SpanKindConsumer), h
		h = func(ctx context.Context, d lease.Delivery) (err error) {
			if d.Attempt > 1 {
				t.retries.Add(ctx, 1, plain)
			}
			ctx, end := p.begin(ctx, len(d.Data))
			trace.SpanFromContext(ctx).SetAttributes(attempt.Int(d.Attempt))
			defer func() { end(recover(), &err) }()
			return next(ctx, d)
		}
	}
	return lease.Handle(ctx, q, h, &c)
}
