package otel_test

import (
	"context"
	"errors"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"ipcmq/mq/codec"
	"ipcmq/mq/otel"
	"ipcmq/mux/rpc"
)

// A range over many replies is one span of the client, with one of the server in it.
func TestRangesOverRepliesAreSeen(t *testing.T) {
	s := newSeen(t)
	client := serve(t, s, newQueue(t, nil), rpc.Replies(func(ctx context.Context, request []byte, reply func([]byte) error) error {
		if !trace.SpanFromContext(ctx).IsRecording() {
			t.Error("there is no span")
		}
		for _, b := range request {
			if b == '!' {
				return errors.New("bad")
			}
			if err := reply([]byte{b}); err != nil {
				return err
			}
		}
		return nil
	}))
	ctx := context.Background()
	got := ""
	for reply, err := range client.Replies(ctx, 7, []byte("abc")) {
		if err != nil {
			t.Fatal(err)
		}
		got += string(reply)
	}
	text := rpc.Method[string, string]{Type: 7, Request: codec.Text[string](), Reply: codec.Text[string]()}
	for reply, err := range otel.Replies(ctx, text, client, "de") {
		if err != nil {
			t.Fatal(err)
		}
		got += reply
		if reply == "d" {
			break
		}
	}
	var failed error
	for reply, err := range client.Replies(ctx, 7, []byte("f!")) {
		got, failed = got+string(reply), err
	}
	var remote *rpc.RemoteError
	if got != "abcdf" || !errors.As(failed, &remote) {
		t.Errorf("got %q, %v", got, failed)
	}
	want(t, s.metrics(t), map[string]float64{
		"messaging.client.operation.duration replies":                   2,
		"messaging.client.operation.duration error.type=remote replies": 1,
		"messaging.client.consumed.messages replies":                    5,
		"ipcmq.client.consumed.bytes replies":                           4, // the size of a value is not known
	})
	replies := map[int64]int{}
	for _, span := range s.spans.Ended() {
		if span.Name() != "replies jobs" {
			continue
		}
		for _, a := range span.Attributes() {
			if a.Key == "ipcmq.rpc.replies" {
				replies[a.Value.AsInt64()]++
			}
		}
	}
	if len(replies) != 2 || replies[3] != 1 || replies[1] != 2 {
		t.Errorf("replies of the spans: %v", replies)
	}
	parents := map[trace.SpanID]bool{}
	for _, span := range s.spans.Ended() {
		parents[span.SpanContext().SpanID()] = true
	}
	for _, span := range s.spans.Ended() {
		if span.SpanKind() == trace.SpanKindServer && !parents[span.Parent().SpanID()] {
			t.Errorf("%s has no parent", span.Name())
		}
	}
}
