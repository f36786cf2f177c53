package otel

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"ipcmq/mq"
)

// Queue returns q with its sends and receives measured, under the name destination.
// Further abilities of q are available through it by [mq.As].
func (t *Telemetry) Queue(q mq.Queue, destination string) mq.Queue {
	w := &queue{queue: q, destination: destination, headers: q.Capabilities().Headers}
	w.sending = t.newCalls(destination, "send", semconv.MessagingOperationTypeSend, trace.SpanKindProducer, t.sent, t.sentBytes)
	w.receiver = receiver{q, t.newCalls(destination, "receive", semconv.MessagingOperationTypeReceive, trace.SpanKindClient, t.consumed, t.gotBytes)}
	return w
}

// destinationOf returns the name of q in attributes.
func destinationOf(q mq.Queue) string {
	if w, ok := mq.As[*queue](q); ok {
		return w.destination
	}
	if s, ok := q.(fmt.Stringer); ok {
		return s.String()
	}
	return "unknown"
}

// A queue is an mq.Queue that is measured.
type queue struct {
	queue       mq.Queue
	destination string
	headers     bool // its messages carry the context of a trace
	sending     *calls
	receiver
}

var (
	_ mq.BatchSender  = (*queue)(nil)
	_ mq.OptionSender = (*queue)(nil)
)

func (q *queue) Unwrap() mq.Queue              { return q.queue }
func (q *queue) Capabilities() mq.Capabilities { return q.queue.Capabilities() }
func (q *queue) Close() error                  { return q.queue.Close() }

// String returns the name of the wrapped queue, for errors.
func (q *queue) String() string {
	if s, ok := q.queue.(fmt.Stringer); ok {
		return s.String()
	}
	return q.destination
}

func (q *queue) Select(s mq.Selector) (mq.Receiver, error) {
	r, err := q.queue.Select(s)
	if err != nil {
		return nil, err
	}
	return &receiver{r, q.receiver.calls}, nil
}

func (q *queue) Send(ctx context.Context, m mq.Message) error {
	return q.SendWith(ctx, m, mq.SendOptions{})
}

func (q *queue) SendWith(ctx context.Context, m mq.Message, o mq.SendOptions) error {
	if !q.sending.recording(ctx) {
		return mq.SendWith(q.outgoing(ctx), q.queue, m, o)
	}
	c := q.sending.begin(ctx)
	err := mq.SendWith(q.outgoing(c.ctx), q.queue, m, o)
	c.end(1, len(m.Data), err)
	return err
}

func (q *queue) TrySend(m mq.Message) error {
	err := q.queue.TrySend(m)
	if ctx := context.Background(); q.sending.recording(ctx) {
		q.sending.count(ctx, 1, len(m.Data), err)
	}
	return err
}

func (q *queue) SendBatch(ctx context.Context, messages []mq.Message) (n int, err error) {
	if !q.sending.recording(ctx) {
		return mq.SendBatch(q.outgoing(ctx), q.queue, messages)
	}
	c := q.sending.begin(ctx)
	n, err = mq.SendBatch(q.outgoing(c.ctx), q.queue, messages)
	size := 0
	for _, m := range messages[:n] {
		size += len(m.Data)
	}
	c.endBatch(n, len(messages)-n, size, err)
	return n, err
}

// outgoing puts the trace context into the headers of messages that are sent with ctx,
// if the queue has headers. Headers set by the caller stay; what cannot be sent is left
// out.
func (q *queue) outgoing(ctx context.Context) context.Context {
	if !q.headers || !trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	carrier := propagation.MapCarrier{}
	q.sending.propagation().Inject(ctx, carrier)
	h := mq.OutgoingHeader(ctx)
	if h == nil {
		h = mq.Header{}
	}
	for key, value := range carrier {
		if _, there := h[key]; !there && (mq.Header{key: value}).Validate() == nil {
			h[key] = value
		}
	}
	return mq.WithHeader(ctx, h)
}

// A receiver is an mq.Receiver that is measured.
type receiver struct {
	receiver mq.Receiver
	calls    *calls
}

func (r *receiver) Receive(ctx context.Context) (mq.Message, error) {
	if !r.calls.recording(ctx) {
		return r.receiver.Receive(ctx)
	}
	c := r.calls.begin(ctx)
	m, err := r.receiver.Receive(c.ctx)
	c.end(1, len(m.Data), err)
	return m, err
}

func (r *receiver) ReceiveBatch(ctx context.Context, n int) ([]mq.Message, error) {
	if !r.calls.recording(ctx) {
		return mq.ReceiveBatch(ctx, r.receiver, n)
	}
	c := r.calls.begin(ctx)
	all, err := mq.ReceiveBatch(c.ctx, r.receiver, n)
	size := 0
	for _, m := range all {
		size += len(m.Data)
	}
	c.endBatch(len(all), 0, size, err)
	return all, err
}

func (r *receiver) ReceiveInto(ctx context.Context, m *mq.Message) error {
	if !r.calls.recording(ctx) {
		return r.receiver.ReceiveInto(ctx, m)
	}
	c := r.calls.begin(ctx)
	err := r.receiver.ReceiveInto(c.ctx, m)
	c.end(1, len(m.Data), err)
	return err
}

// A Try that finds nothing does not count: pollers make thousands.

func (r *receiver) TryReceive() (mq.Message, error) {
	m, err := r.receiver.TryReceive()
	if ctx := context.Background(); err == nil && r.calls.recording(ctx) {
		r.calls.count(ctx, 1, len(m.Data), nil)
	}
	return m, err
}

func (r *receiver) TryReceiveInto(m *mq.Message) error {
	err := r.receiver.TryReceiveInto(m)
	if ctx := context.Background(); err == nil && r.calls.recording(ctx) {
		r.calls.count(ctx, 1, len(m.Data), nil)
	}
	return err
}

// calls measures calls of one kind on one queue, with attributes made in advance.
type calls struct {
	*Telemetry
	messages, bytes metric.Int64Counter
	sends           bool // a failed call counts as a message that was not sent

	attributes []attribute.KeyValue
	add        []metric.AddOption    // of successful calls
	record     []metric.RecordOption // the same
	title      string                // of spans
	start      []trace.SpanStartOption
}

func (t *Telemetry) newCalls(destination, name string, typ attribute.KeyValue, kind trace.SpanKind, messages, bytes metric.Int64Counter) *calls {
	attributes := []attribute.KeyValue{system, semconv.MessagingOperationName(name), semconv.MessagingDestinationName(destination)}
	set := metric.WithAttributeSet(attribute.NewSet(attributes...))
	return &calls{
		Telemetry: t, messages: messages, bytes: bytes, sends: kind == trace.SpanKindProducer,
		attributes: attributes,
		add:        []metric.AddOption{set}, record: []metric.RecordOption{set},
		title: name + " " + destination,
		start: []trace.SpanStartOption{trace.WithSpanKind(kind), trace.WithAttributes(append(attributes, typ)...)},
	}
}

// failed returns the attributes of a failed call.
func (c *calls) failed(err error) metric.MeasurementOption {
	return metric.WithAttributes(append(c.attributes[:len(c.attributes):len(c.attributes)], errorType(err))...)
}

// count counts n messages that have moved, or a failed call.
func (c *calls) count(ctx context.Context, n, size int, err error) {
	switch {
	case err == nil:
		c.messages.Add(ctx, int64(n), c.add...)
		c.bytes.Add(ctx, int64(size), c.add...)
	case c.sends:
		c.messages.Add(ctx, int64(n), c.failed(err))
	}
}
