package otel

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// A call is a running call.
type call struct {
	*calls
	ctx   context.Context
	span  trace.Span // nil if there is none
	begun time.Time
}

// begin begins a call, with a span if there is a parent span.
func (c *calls) begin(ctx context.Context) call {
	under := call{calls: c, ctx: ctx, begun: time.Now()}
	if traced(ctx) {
		under.ctx, under.span = c.tracer.Start(ctx, c.title, c.start...)
	}
	return under
}

// end ends a call that has moved one message of that size, or none.
func (c call) end(n, size int, err error) {
	if err != nil {
		c.finish(size, err)
		c.count(c.ctx, n, 0, err)
		return
	}
	c.count(c.ctx, n, size, nil)
	c.finish(size, nil)
}

// endBatch ends a call that has moved n messages, but not the others.
func (c call) endBatch(n, others, size int, err error) {
	if n > 0 {
		c.count(c.ctx, n, size, nil)
	}
	if others > 0 {
		c.count(c.ctx, others, 0, err)
	}
	if c.span != nil {
		c.span.SetAttributes(semconv.MessagingBatchMessageCount(n + others))
	}
	c.finish(size, err)
}

// finish records how long the call took.
func (c call) finish(size int, err error) {
	took := time.Since(c.begun).Seconds()
	if err == nil {
		c.operation.Record(c.ctx, took, c.record...)
	} else {
		c.operation.Record(c.ctx, took, c.failed(err))
	}
	if c.span != nil {
		c.span.SetAttributes(semconv.MessagingMessageBodySize(size))
		endSpan(c.span, err)
	}
}

// endSpan ends a span with its result.
func endSpan(span trace.Span, err error, attributes ...attribute.KeyValue) {
	if len(attributes) > 0 {
		span.SetAttributes(attributes...)
	}
	if err != nil {
		span.SetAttributes(errorType(err))
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}
