package sysv_test

import (
	"context"
	"errors"
	"testing"

	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

var roles = map[string]func(){}

// newQueue creates a private queue that is removed after the test.
func newQueue(tb testing.TB, cfg *sysv.Config) *sysv.Queue {
	tb.Helper()
	q, err := sysv.Open(sysv.Private, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		q.Close()
		if again, err := sysv.OpenID(q.ID(), nil); err == nil {
			again.Remove()
		}
	})
	return q
}

func TestSendReceive(t *testing.T) {
	q := newQueue(t, nil)
	ctx := t.Context()
	if err := q.Send(ctx, mq.Message{Type: 7, Data: []byte("hello")}); err != nil {
		t.Fatal(err)
	}
	m, err := q.Receive(ctx)
	if err != nil || m.Type != 7 || string(m.Data) != "hello" {
		t.Fatalf("got %+v, %v", m, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	if _, err = q.Receive(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}

func BenchmarkSendReceiveInto(b *testing.B) {
	q := newQueue(b, nil)
	ctx := context.Background()
	m := mq.Message{Type: 1, Data: make([]byte, 64)}
	b.ReportAllocs()
	for b.Loop() {
		if err := q.Send(ctx, m); err != nil {
			b.Fatal(err)
		}
		if err := q.ReceiveInto(ctx, &m); err != nil {
			b.Fatal(err)
		}
	}
}
