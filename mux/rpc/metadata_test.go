package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mux/rpc"
)

func TestMetadataGoesWithRequestsAndReplies(t *testing.T) {
	q := newQueue(t, nil)
	client := newClient(t, q)
	serve(t, q, 7, func(ctx context.Context, request []byte) ([]byte, error) {
		got := rpc.RequestMetadata(ctx)
		reply := maps.Clone(got)
		if reply != nil {
			reply["pairs"] = fmt.Sprint(len(got))
		}
		inner, cancel := context.WithCancel(ctx) // it is found in contexts made of it
		defer cancel()
		if err := rpc.SetReplyMetadata(inner, reply); (err != nil) != (len(got) == 1) {
			t.Error(err)
		}
		switch string(request) {
		case "fail":
			return nil, errors.New("no")
		case "panic":
			panic("no")
		}
		return request, nil
	}, nil)
	for _, sent := range []rpc.Metadata{nil, {}, {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "empty": "", "\x01": "\xff\x00"}, {"k": strings.Repeat("v", 956)}} {
		for _, request := range []string{"hello", "", "fail", "panic"} {
			received := rpc.Metadata{"of": "before"}
			ctx := rpc.WithReplyMetadata(rpc.WithMetadata(t.Context(), sent), &received)
			got, err := client.Request(ctx, 7, []byte(request))
			var remote *rpc.RemoteError
			if string(got) != request && !errors.As(err, &remote) {
				t.Errorf("%v, %q: got %q, %v", sent, request, got, err)
			}
			want := maps.Clone(sent)
			if len(sent) > 0 {
				want["pairs"] = fmt.Sprint(len(sent))
			}
			if len(sent) == 1 { // the reply's would have been too large
				want = nil
			}
			if !maps.Equal(received, want) {
				t.Errorf("%v, %q: the reply has %v", sent, request, received)
			}
		}
	}
}

func TestMetadataIsLimited(t *testing.T) {
	q := mqtest.New(nil)
	defer q.Close()
	client := newClient(t, q)
	for name, md := range map[string]rpc.Metadata{
		"no key":      {"": "x"},
		"a long key":  {strings.Repeat("k", 256): ""},
		"a long one":  {"k": strings.Repeat("v", 957)},
		"one of ours": {"\x00": ""},
		"a later one": {"\x00x": "y"},
		"many":        {"1": strings.Repeat("v", 500), "2": strings.Repeat("v", 500), "3": strings.Repeat("v", 20)},
		"a huge pair": {"k": strings.Repeat("v", 1<<17)},
	} {
		if _, err := client.Request(rpc.WithMetadata(t.Context(), md), 7, nil); !errors.Is(err, mq.ErrInvalidConfig) {
			t.Errorf("%s: %v", name, err)
		}
		if err := rpc.SetReplyMetadata(t.Context(), md); !errors.Is(err, mq.ErrInvalidConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := rpc.SetReplyMetadata(t.Context(), rpc.Metadata{"k": "v"}); !errors.Is(err, mq.ErrInvalidConfig) || !strings.Contains(err.Error(), "not that of a handler") {
		t.Errorf("outside of a handler: %v", err)
	}
	if md := rpc.RequestMetadata(t.Context()); md != nil {
		t.Errorf("outside of a handler: %v", md)
	}
	if n := q.Stat().Messages; n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestBadMetadataMakesNoRequest(t *testing.T) {
	for name, md := range map[string]string{
		"no length of a value": "\x01k",
		"half a length":        "\x01k\x00",
		"a truncated value":    "\x01k\x02\x00v",
		"a truncated key":      "\x05key",
		"an empty key":         "\x00\x01\x00v",
		"a key twice":          "\x01k\x01\x00v\x01k\x01\x00w",
		"a byte after a pair":  "\x01k\x01\x00v\x00",
	} {
		b := rpc.NewHeader("sysv:1")
		b[34] = byte(len(md))
		if h, _, err := rpc.ParseHeader(append(b, md...)); err == nil {
			t.Errorf("%s: %v", name, h.Metadata())
		}
	}
	b := append(rpc.NewHeader(""), "\x01k\x01\x00v"...)
	for n := range 7 {
		b[34] = byte(n)
		h, payload, err := rpc.ParseHeader(b)
		if (err == nil) != (n == 0 || n == 5) || err == nil && len(payload) != 5-n {
			t.Errorf("%d bytes: %v, %q, %v", n, h.Metadata(), payload, err)
		}
	}
	b[34], b[35] = 5, 1
	if h, _, err := rpc.ParseHeader(append(b, make([]byte, 2000)...)); err == nil {
		t.Errorf("261 bytes: %v", h.Metadata())
	}
}

// Code that adds to the metadata of a context sees what is there.
func TestOutgoingMetadataIsWhatWasPutIn(t *testing.T) {
	ctx := context.Background()
	if md := rpc.OutgoingMetadata(ctx); md != nil {
		t.Errorf("%v", md)
	}
	ctx = rpc.WithMetadata(ctx, rpc.Metadata{"a": "1"})
	md := rpc.OutgoingMetadata(ctx)
	md["b"] = "2" // of the copy
	if md := rpc.OutgoingMetadata(ctx); len(md) != 1 || md["a"] != "1" {
		t.Errorf("%v", md)
	}
}
