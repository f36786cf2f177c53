package mq_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"ipcmq/mq"
)

func TestHeadersOfAContextAreCopies(t *testing.T) {
	if h := mq.OutgoingHeader(t.Context()); h != nil {
		t.Errorf("got %v", h)
	}
	mine := mq.Header{"traceparent": "00-1", "tracestate": ""}
	want := maps.Clone(mine)
	ctx := mq.WithHeader(t.Context(), mine)
	mine["traceparent"] = "changed"
	got := mq.OutgoingHeader(ctx)
	if !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	got["other"] = "x"
	if unchanged := mq.OutgoingHeader(ctx); !maps.Equal(unchanged, want) {
		t.Errorf("got %v", unchanged)
	}
	if h := mq.OutgoingHeader(mq.WithHeader(ctx, nil)); len(h) != 0 {
		t.Errorf("got %v", h)
	}
}

func TestWhatHeadersMayHold(t *testing.T) {
	for name, test := range map[string]struct {
		h    mq.Header
		good bool
	}{
		"none": {nil, true}, "a trace": {mq.Header{"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "tracestate": "a=b,c=d"}, true},
		"empty value": {mq.Header{"a.b_C-1": ""}, true}, "blanks within": {mq.Header{"a": "b c"}, true}, "the largest": {mq.Header{strings.Repeat("k", 64): strings.Repeat("v", 1024)}, true},
		"no key": {mq.Header{"": "x"}, false}, "a long key": {mq.Header{strings.Repeat("k", 65): "x"}, false}, "a colon": {mq.Header{"a:b": "x"}, false},
		"a blank in a key": {mq.Header{"a b": "x"}, false}, "one of the server's": {mq.Header{"NATS-Msg-Id": "x"}, false},
		"a new line": {mq.Header{"a": "x\r\nNats-Msg-Id: y"}, false}, "no ASCII": {mq.Header{"a": "ä"}, false}, "blanks around": {mq.Header{"a": " x"}, false},
		"a long value": {mq.Header{"a": strings.Repeat("v", 1025)}, false},
	} {
		if err := test.h.Validate(); (err == nil) != test.good || err != nil && !errors.Is(err, mq.ErrInvalidConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
