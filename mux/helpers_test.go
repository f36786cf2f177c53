package mux_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
	"ipcmq/mux"
)

var roles = map[string]func(){}

// newQueue creates a System V queue that is removed after the test.
func newQueue(tb testing.TB, cfg *sysv.Config) *sysv.Queue {
	tb.Helper()
	q, err := sysv.Open(sysv.Private, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := q.Remove(); err != nil && !errors.Is(err, mq.ErrRemoved) {
			tb.Error(err)
		}
		q.Close()
	})
	return q
}

// newMux returns a mux that is closed after the test.
func newMux(tb testing.TB, q mq.Queue, cfg *mux.Config) *mux.Mux {
	tb.Helper()
	m, err := mux.New(q, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { m.Close() })
	return m
}

func subscribe(tb testing.TB, m *mux.Mux, s mq.Selector, cfg *mux.SubscribeConfig) *mux.Subscription {
	tb.Helper()
	sub, err := m.Subscribe(s, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return sub
}

func send(tb testing.TB, q mq.Sender, t int64, data string) {
	tb.Helper()
	if err := q.Send(tb.Context(), mq.Message{Type: t, Data: []byte(data)}); err != nil {
		tb.Fatal(err)
	}
}

// expect reads messages with the given payloads, in this order.
func expect(tb testing.TB, ch <-chan mq.Message, want ...string) {
	tb.Helper()
	for _, w := range want {
		select {
		case m, ok := <-ch:
			if !ok || string(m.Data) != w {
				tb.Fatalf("got %q (open: %v), want %q", m.Data, ok, w)
			}
		case <-time.After(10 * time.Second):
			tb.Fatalf("no message, want %q", w)
		}
	}
}

func expectClosed(tb testing.TB, ch <-chan mq.Message) {
	tb.Helper()
	select {
	case m, ok := <-ch:
		if ok {
			tb.Fatalf("got %+v, want a closed channel", m)
		}
	case <-time.After(10 * time.Second):
		tb.Fatal("the channel is still open")
	}
}

// awaitSubscriptions waits until m has n subscriptions.
func awaitSubscriptions(tb testing.TB, m *mux.Mux, n int) {
	tb.Helper()
	testutil.Await(tb, func() error {
		if got := m.Stats().Subscriptions; got != n {
			return fmt.Errorf("%d subscriptions, waiting for %d", got, n)
		}
		return nil
	})
}

func data(list []mq.Message) []string {
	var s []string
	for _, m := range list {
		s = append(s, string(m.Data))
	}
	return s
}
