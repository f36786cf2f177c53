package integration_test

import (
	"maps"
	"strings"
	"testing"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
)

func TestHeadersGoWithMessagesThatAreLent(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	q := openQueue(t, url, newName(), nil)
	if !q.Capabilities().Headers {
		t.Error("it says that there are no headers")
	}
	trace := mq.Header{"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "Mixed.Case_1": "a b"}
	ctx := mq.WithHeader(t.Context(), trace)
	largest := make([]byte, q.Capabilities().MaxPayload)
	for _, m := range []mq.Message{{Type: 1, Data: []byte("one")}, {Type: 2, Data: largest}} {
		if err := q.Send(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Send(t.Context(), mq.Message{Type: 3}); err != nil {
		t.Fatal(err)
	}
	many := make([]mq.Message, 200) // enough to be stored together
	for i := range many {
		many[i] = mq.Message{Type: 4, Data: []byte("together")}
	}
	if n, err := mq.SendBatch(ctx, q, many); n != len(many) || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	wants(t, q.Send(mq.WithHeader(ctx, mq.Header{"Nats-Msg-Id": "x"}), mq.Message{Type: 1}), mq.ErrInvalidConfig, `"Nats-Msg-Id"`)
	_, err := mq.SendBatch(mq.WithHeader(ctx, mq.Header{"a": "x\ny"}), q, many)
	wants(t, err, mq.ErrInvalidConfig, `"x\ny"`)

	r := leases(t, q, mq.Any())
	for i := range len(many) + 3 {
		l, err := r.Lease(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var want mq.Header
		switch l.Message().Type {
		case 1, 4:
			want = trace
		case 2: // there was no room for it
			if len(l.Message().Data) != len(largest) {
				t.Errorf("%d bytes", len(l.Message().Data))
			}
		}
		if got := mq.HeaderOf(l); !maps.Equal(got, want) {
			t.Errorf("message %d of type %d came with %v", i, l.Message().Type, got)
		}
		if i == 0 { // it comes again unchanged
			if err := l.Nak(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			if l, err = r.Lease(t.Context()); err != nil || l.Message().Type == 1 && !maps.Equal(mq.HeaderOf(l), trace) {
				t.Errorf("%v, %v", mq.HeaderOf(l), err)
			}
		}
		if err := l.Ack(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAHeaderDoesNotFillAQueueThatHasRoomForTheMessage(t *testing.T) {
	t.Parallel()
	q := openQueue(t, startServer(t, nil), newName(), &jetstream.Config{MaxBytes: 1000})
	ctx := mq.WithHeader(t.Context(), mq.Header{"much": strings.Repeat("x", 900)})
	if err := q.Send(ctx, mq.Message{Type: 1, Data: make([]byte, q.Capabilities().MaxPayload)}); err != nil {
		t.Fatal(err)
	}
	l, err := leases(t, q, mq.Any()).Lease(t.Context())
	if err != nil || mq.HeaderOf(l) != nil {
		t.Errorf("%v, %v", mq.HeaderOf(l), err)
	}
	if err := l.Ack(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAQueueInClaimModeHasNoHeaders(t *testing.T) {
	t.Parallel()
	q := openQueue(t, startServer(t, nil), newName(), &jetstream.Config{Mode: jetstream.ClaimMode})
	if q.Capabilities().Headers {
		t.Error("it says that there are headers")
	}
	if err := q.Send(mq.WithHeader(t.Context(), mq.Header{"a": "b"}), mq.Message{Type: 1, Data: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	if m, err := q.Receive(t.Context()); err != nil || string(m.Data) != "x" {
		t.Errorf("%v, %v", m, err)
	}
}
