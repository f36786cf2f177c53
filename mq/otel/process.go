package otel

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"ipcmq/mq"
)

// processing measures the handling of messages.
type processing struct {
	*Telemetry
	attributes []attribute.KeyValue
	record     []metric.RecordOption // of successful calls
	title      string                // of spans
	start      []trace.SpanStartOption
}

func (t *Telemetry) newProcessing(destination string, kind trace.SpanKind, more ...attribute.KeyValue) *processing {
	attributes := []attribute.KeyValue{system, semconv.MessagingOperationName("process"), semconv.MessagingDestinationName(destination)}
	return &processing{
		Telemetry: t, attributes: attributes,
		record: []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attributes...))},
		title:  "process " + destination,
		start: []trace.SpanStartOption{trace.WithSpanKind(kind),
			trace.WithAttributes(append(append(more, attributes...), semconv.MessagingOperationTypeProcess)...)},
	}
}

// begin begins the span of a message. The returned function ends it, with the error of
// the handler, or the value of its panic, which it raises again. A handler that ends its
// goroutine has neither.
func (p *processing) begin(ctx context.Context, size int, more ...trace.SpanStartOption) (context.Context, func(panicked any, err *error)) {
	begun := time.Now()
	ctx, span := p.tracer.Start(ctx, p.title, append(p.start[:len(p.start):len(p.start)], more...)...)
	if span.IsRecording() {
		span.SetAttributes(semconv.MessagingMessageBodySize(size))
	}
	return ctx, func(panicked any, err *error) {
		failure := *err
		if panicked != nil {
			failure = &mq.PanicError{Value: panicked}
		}
		if p.process.Enabled(ctx) {
			took := time.Since(begun).Seconds()
			if failure == nil {
				p.process.Record(ctx, took, p.record...)
			} else {
				p.process.Record(ctx, took, metric.WithAttributes(append(p.attributes[:len(p.attributes):len(p.attributes)], errorType(failure))...))
			}
		}
		endSpan(span, failure)
		if panicked != nil {
			panic(panicked)
		}
	}
}
