package rpc_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mux/rpc"
)

// A record collects the lines of a logger.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *record) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *record) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *record) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func TestARecreatedInboxIsLogged(t *testing.T) {
	testutil.NeedMqueue(t)
	q := newQueue(t, nil)
	serve(t, q, 7, func(_ context.Context, request []byte) ([]byte, error) { return request, nil }, nil)
	var said record
	client, err := rpc.NewClient(q, &rpc.ClientConfig{Logger: said.logger()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for range 2 {
		if _, err := client.Request(t.Context(), 7, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if said.String() != "" {
			t.Errorf("without a cause: %s", said.String())
		}
	}
	if n := removeInboxes(t); n != 1 {
		t.Fatalf("%d inboxes", n)
	}
	if _, err := client.Request(t.Context(), 7, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if got := said.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `level=WARN msg="inbox was removed, created another" inbox=sysv:`) {
		t.Errorf("it said %s", got)
	}
}

func TestRequestsThatAreNotAnsweredAreLogged(t *testing.T) {
	q := newQueue(t, nil)
	var said record
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- rpc.Handle(ctx, q, 7, func(context.Context, []byte) ([]byte, error) { panic("oh") }, &rpc.Config{Logger: said.logger()})
	}()
	if err := q.TrySend(mq.Message{Type: 7, Data: []byte("secret")}); err != nil {
		t.Fatal(err)
	}
	client := newClient(t, q)
	if _, err := client.Request(t.Context(), 7, []byte("secret")); err == nil {
		t.Error("the handler has panicked")
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
	got := said.String()
	for _, want := range []string{`level=WARN msg="message is not a request" type=7 size=6 error="not a request`, `level=WARN msg="handler failed" type=7`} {
		if !strings.Contains(got, want) {
			t.Errorf("it said %s", got)
		}
	}
	if strings.Contains(got, "secret") {
		t.Errorf("it said a payload: %s", got)
	}
}
