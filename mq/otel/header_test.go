package otel_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/stream/lease"
)

// A headed queue keeps headers, one for each payload.
type headed struct {
	*mqtest.Queue
	mu      sync.Mutex
	headers map[string]mq.Header
}

func newHeaded(t *testing.T) *headed {
	t.Helper()
	q := &headed{Queue: mqtest.New(&mqtest.Config{Lease: 1e10}), headers: map[string]mq.Header{}}
	t.Cleanup(func() { q.Close() })
	return q
}

func (q *headed) Capabilities() mq.Capabilities {
	can := q.Queue.Capabilities()
	can.Headers = true
	return can
}

func (q *headed) Send(ctx context.Context, m mq.Message) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.headers[string(m.Data)] = mq.OutgoingHeader(ctx)
	return q.Queue.Send(ctx, m)
}

func (q *headed) SelectLeases(s mq.Selector) (mq.LeaseReceiver, error) {
	r, err := q.Queue.SelectLeases(s)
	return &headedLeases{q, r}, err
}

type headedLeases struct {
	q *headed
	mq.LeaseReceiver
}

func (r *headedLeases) LeaseBatch(ctx context.Context, n int) ([]mq.Lease, error) {
	batch, err := r.LeaseReceiver.LeaseBatch(ctx, n)
	r.q.mu.Lock()
	defer r.q.mu.Unlock()
	for i, l := range batch {
		batch[i] = &headedLease{l, r.q.headers[string(l.Message().Data)]}
	}
	return batch, err
}

type headedLease struct {
	mq.Lease
	header mq.Header
}

func (l *headedLease) Header() mq.Header { return l.header }

func TestATraceContinuesInTheHandlerOfTheMessage(t *testing.T) {
	s := newSeen(t)
	q := newHeaded(t)
	wrapped := s.Queue(q, "jobs")
	member, err := baggage.NewMember("who", "me")
	if err != nil {
		t.Fatal(err)
	}
	bag, err := baggage.New(member)
	if err != nil {
		t.Fatal(err)
	}
	ctx, root := s.tracer.Tracer("test").Start(baggage.ContextWithBaggage(t.Context(), bag), "root")
	for _, text := range []string{"one", "two"} {
		if err := wrapped.Send(mq.WithHeader(ctx, mq.Header{"mine": "x"}), mq.Message{Type: 1, Data: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := wrapped.Send(mq.WithHeader(ctx, mq.Header{"traceparent": "mine"}), mq.Message{Type: 1, Data: []byte("three")}); err != nil {
		t.Fatal(err)
	}
	root.End()
	if err := wrapped.Send(t.Context(), mq.Message{Type: 1, Data: []byte("four")}); err != nil { // without a trace
		t.Fatal(err)
	}
	id := root.SpanContext().TraceID()
	parents := map[string]trace.TraceID{}
	handling, stop := context.WithCancel(t.Context())
	err = s.HandleLeases(handling, wrapped, func(ctx context.Context, d lease.Delivery) error {
		parents[string(d.Data)] = trace.SpanContextFromContext(ctx).TraceID()
		if string(d.Data) == "one" && (d.Header["mine"] != "x" || baggage.FromContext(ctx).Member("who").Value() != "me") {
			t.Errorf("%v, %v", d.Header, baggage.FromContext(ctx))
		}
		if len(parents) == 4 {
			stop()
		}
		return nil
	}, nil)
	if err != nil || parents["one"] != id || parents["two"] != id || parents["three"] == id || parents["four"] == id {
		t.Errorf("%v is the trace, %v, %v", id, parents, err)
	}
}

func TestBatchesAreLinkedToTheTracesOfTheirMessages(t *testing.T) {
	s := newSeen(t)
	q := newHeaded(t)
	wrapped := s.Queue(q, "jobs")
	traces := map[trace.TraceID]bool{}
	for _, text := range []string{"one", "two", "bad"} {
		ctx, root := s.tracer.Tracer("test").Start(t.Context(), "root")
		if err := wrapped.Send(ctx, mq.Message{Type: 1, Data: []byte(text)}); err != nil {
			t.Fatal(err)
		}
		traces[root.SpanContext().TraceID()] = true
		root.End()
	}
	ctx, stop := context.WithCancel(t.Context())
	err := s.HandleLeaseBatches(ctx, wrapped, func(ctx context.Context, batch []lease.Delivery) error {
		for i, d := range batch {
			if string(d.Data) == "bad" {
				return lease.Failed{i: errors.New("bad")}
			}
		}
		return nil
	}, &lease.BatchConfig{Config: lease.Config{MaxAttempts: 2, RetryDelay: lease.Backoff,
		DeadLetter: func(context.Context, lease.Delivery, error) error { stop(); return nil }}})
	if err != nil {
		t.Fatal(err)
	}
	want(t, s.metrics(t), map[string]float64{
		"messaging.process.duration error.type=_OTHER process": 2,
		"ipcmq.lease.retries":                    1,
		"ipcmq.lease.dead_letters":               1,
		"ipcmq.lease.failures error.type=_OTHER": 2,
		"messaging.client.sent.messages send":    3,
	})
	for _, span := range s.spans.Ended() {
		if span.Name() != "process jobs" {
			continue
		}
		if n := len(span.Links()); n != 3 && n != 1 {
			t.Errorf("%d links", n)
		}
		for _, l := range span.Links() {
			if !traces[l.SpanContext.TraceID()] {
				t.Errorf("a link to %v", l.SpanContext)
			}
		}
	}
}
