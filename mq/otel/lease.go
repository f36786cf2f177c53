package otel

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"ipcmq/mq"
	"ipcmq/stream/lease"
)

// attempt is how many times a message was lent.
const attempt = attribute.Key("ipcmq.lease.attempt")

// HandleLeases is [lease.Handle] with each message in a span, and with retries, dead
// letters and failures counted. The queue has the name given to [Telemetry.Queue]. If
// the message has a trace context, the span continues that trace.
func (t *Telemetry) HandleLeases(ctx context.Context, q mq.Queue, h lease.Handler, cfg *lease.Config) error {
	var c lease.Config
	if cfg != nil {
		c = *cfg
	}
	w := t.watchLeases(q, &c)
	if h != nil {
		p, next := t.newProcessing(w.destination, trace.SpanKindConsumer), h
		h = func(ctx context.Context, d lease.Delivery) (err error) {
			w.retried(ctx, d)
			ctx, end := p.begin(t.extract(ctx, d), len(d.Data))
			trace.SpanFromContext(ctx).SetAttributes(attempt.Int(d.Attempt))
			defer func() { end(recover(), &err) }()
			return next(ctx, d)
		}
	}
	return lease.Handle(ctx, q, h, &c)
}

// HandleLeaseBatches is [lease.HandleBatches] with each batch in a span, which is
// linked to the traces of its messages; otherwise it is like [Telemetry.HandleLeases].
func (t *Telemetry) HandleLeaseBatches(ctx context.Context, q mq.Queue, h lease.BatchHandler, cfg *lease.BatchConfig) error {
	var c lease.BatchConfig
	if cfg != nil {
		c = *cfg
	}
	w := t.watchLeases(q, &c.Config)
	if h != nil {
		p, next := t.newProcessing(w.destination, trace.SpanKindConsumer), h
		h = func(ctx context.Context, batch []lease.Delivery) (err error) {
			size := 0
			var links []trace.Link
			for _, d := range batch {
				w.retried(ctx, d)
				size += len(d.Data)
				if from := trace.SpanContextFromContext(t.extract(context.Background(), d)); from.IsValid() {
					links = append(links, trace.Link{SpanContext: from})
				}
			}
			ctx, end := p.begin(ctx, size, trace.WithLinks(links...))
			trace.SpanFromContext(ctx).SetAttributes(semconv.MessagingBatchMessageCount(len(batch)))
			defer func() { end(recover(), &err) }()
			return next(ctx, batch)
		}
	}
	return lease.HandleBatches(ctx, q, h, &c)
}

// extract returns ctx with the trace context of a message.
func (t *Telemetry) extract(ctx context.Context, d lease.Delivery) context.Context {
	if len(d.Header) == 0 {
		return ctx
	}
	return t.propagation().Extract(ctx, propagation.MapCarrier(d.Header))
}

// leaseWatch counts the outcomes of a queue's leases.
type leaseWatch struct {
	*Telemetry
	destination string
	where       metric.MeasurementOption
}

func (w *leaseWatch) retried(ctx context.Context, d lease.Delivery) {
	if d.Attempt > 1 {
		w.retries.Add(ctx, 1, w.where)
	}
}

// watchLeases counts the failures and dead letters of a config.
func (t *Telemetry) watchLeases(q mq.Queue, c *lease.Config) *leaseWatch {
	where := []attribute.KeyValue{system, semconv.MessagingDestinationName(destinationOf(q))}
	w := &leaseWatch{t, destinationOf(q), metric.WithAttributeSet(attribute.NewSet(where...))}
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
				t.deadLetters.Add(ctx, 1, w.where)
			}
			return buried
		}
	}
	return w
}
