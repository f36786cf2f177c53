package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mq/sysv"
	"ipcmq/mux/rpc"
)

func TestRequestIsAnswered(t *testing.T) {
	q := newQueue(t, nil)
	m := newClient(t, q)
	server := serve(t, q, 7, upper, nil)
	for i := range 100 {
		got, err := m.Request(t.Context(), 7, fmt.Appendf(nil, "hello %d", i))
		if err != nil || string(got) != fmt.Sprintf("HELLO %d", i) {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	if got, err := m.Request(t.Context(), 7, nil); err != nil || len(got) != 0 {
		t.Errorf("empty request: %q, %v", got, err)
	}
	if st := m.Stats(); st != (rpc.ClientStats{Sent: 101, Answered: 101}) {
		t.Errorf("client: %+v", st)
	}
	if st := server.counts(); st != (counts{handled: 101}) {
		t.Errorf("server: %+v", st)
	}
}

func TestConcurrentCallersGetTheirOwnReplies(t *testing.T) {
	q := newQueue(t, nil)
	m := newClient(t, q)
	serve(t, q, 7, upper, nil)
	var callers sync.WaitGroup
	for c := range 16 {
		callers.Go(func() {
			for i := range 200 {
				want := fmt.Sprintf("C%d-%d", c, i)
				got, err := m.Request(t.Context(), 7, []byte(strings.ToLower(want)))
				if err != nil || string(got) != want {
					t.Errorf("got %q, %v, want %q", got, err, want)
					return
				}
			}
		})
	}
	callers.Wait()
}

// TestRequestsThatFillTheQueueDoNotDeadlock has room for 4 requests, 50 clients
// with their own inboxes, and 8 servers.
func TestRequestsThatFillTheQueueDoNotDeadlock(t *testing.T) {
	const size = 40 + len("sysv:12345") + 64
	q := newQueue(t, &sysv.Config{Capacity: 4 * size})
	for range 8 {
		serve(t, q, 7, upper, nil)
	}
	var clients sync.WaitGroup
	for range 50 {
		m := newClient(t, q)
		clients.Go(func() {
			for range 40 {
				if _, err := m.Request(t.Context(), 7, make([]byte, 64)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	clients.Wait()
}

func TestRequestErrorsBeforeSending(t *testing.T) {
	q := newQueue(t, nil)
	m := newClient(t, q)
	if _, err := m.Request(t.Context(), 7, make([]byte, 9000)); !errors.Is(err, mq.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if _, err := m.Request(t.Context(), 0, nil); !errors.Is(err, mq.ErrInvalidType) {
		t.Errorf("type 0: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Request(ctx, 7, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	if st, _ := q.Stat(); st.Messages != 0 {
		t.Errorf("%d messages were sent", st.Messages)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if _, err := m.Request(t.Context(), 7, nil); !errors.Is(err, mq.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// plain hides everything that a queue has beyond mq.Queue.
type plain struct{ mq.Queue }

func TestQueueWithoutInboxesIsUnsupported(t *testing.T) {
	q := newQueue(t, nil)
	if _, err := rpc.NewClient(plain{q}, nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("NewClient: %v", err)
	}
	if err := rpc.Handle(t.Context(), plain{q}, 7, upper, nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Handle: %v", err)
	}
}

func TestRemovalOfTheRequestQueueFailsRequestsInProgress(t *testing.T) {
	q := newQueue(t, nil)
	m := newClient(t, q) // only a client: it does not wait on the queue
	var callers sync.WaitGroup
	for range 3 {
		callers.Go(func() {
			if _, err := m.Request(t.Context(), 7, nil); !errors.Is(err, mq.ErrRemoved) {
				t.Errorf("under way: %v", err)
			}
		})
	}
	testutil.Await(t, func() error {
		if st, _ := q.Stat(); st.Messages != 3 {
			return fmt.Errorf("%d requests wait", st.Messages)
		}
		return nil
	})
	if err := q.Remove(); err != nil {
		t.Fatal(err)
	}
	callers.Wait()
	if _, err := m.Request(t.Context(), 7, nil); !errors.Is(err, mq.ErrRemoved) {
		t.Errorf("later: %v", err)
	}
}

func TestCloseFailsRequestsInProgress(t *testing.T) {
	q := newQueue(t, nil)
	m := newClient(t, q)
	var callers sync.WaitGroup
	for range 3 {
		callers.Go(func() {
			if _, err := m.Request(t.Context(), 7, nil); !errors.Is(err, mq.ErrClosed) {
				t.Errorf("got %v", err)
			}
		})
	}
	testutil.Await(t, func() error {
		if st, _ := q.Stat(); st.Messages != 3 {
			return fmt.Errorf("%d requests wait", st.Messages)
		}
		return nil
	})
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	callers.Wait()
}

func TestForeignAndDuplicateRepliesAreDiscarded(t *testing.T) {
	q := newQueue(t, nil)
	m := newClient(t, q)
	nextRequest := func() []byte {
		m, err := q.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return m.Data
	}
	answered := make(chan error)
	go func() {
		got, err := m.Request(t.Context(), 7, []byte("x"))
		if err == nil && string(got) != "right" {
			err = fmt.Errorf("got %q", got)
		}
		answered <- err
	}()
	raw := nextRequest()
	h, _, err := rpc.ParseHeader(raw)
	if err != nil {
		t.Fatal(err)
	}
	inbox, err := q.OpenInbox(h.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer inbox.Close()
	reply := func(change func(b []byte), payload string) {
		b := bytes.Clone(raw[:40])
		b[5], b[32], b[34] = 2, 0, 0 // a reply, without an address or fields
		change(b)
		if err := inbox.Send(t.Context(), mq.Message{Type: 1, Data: append(b, payload...)}); err != nil {
			t.Fatal(err)
		}
	}
	same := func([]byte) {}
	reply(func(b []byte) { b[16] ^= 1 }, "other token")
	reply(func(b []byte) { b[8] = 99 }, "request that was never made")
	reply(func(b []byte) { b[4] = 2 }, "other version")
	reply(func(b []byte) { b[0] = 'x' }, "no header")
	reply(same, "right")
	reply(same, "twice")
	if err := <-answered; err != nil {
		t.Error(err)
	}
	go func() {
		_, err := m.Request(t.Context(), 7, []byte("y"))
		answered <- err
	}()
	raw = nextRequest()
	reply(same, "right")
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if st := m.Stats(); st.Foreign != 4 || st.Duplicate != 1 || st.Late != 0 || st.Answered != 2 {
		t.Errorf("%+v", st)
	}
}

func TestShutdownWaitsForRequestsAndRemovesTheInbox(t *testing.T) {
	q := newQueue(t, nil)
	client := newClient(t, q)
	answer := make(chan struct{})
	address := make(chan string, 1)
	serve(t, q, 7, func(_ context.Context, _ []byte) ([]byte, error) {
		for s := range sysv.Queues() {
			if s.Mode&0o111 != 0 {
				address <- fmt.Sprintf("sysv:%d", s.ID)
			}
		}
		<-answer
		return nil, nil
	}, nil)
	result := make(chan error)
	go func() {
		_, err := client.Request(t.Context(), 7, nil)
		result <- err
	}()
	inbox := <-address
	down := make(chan error)
	go func() { down <- client.Shutdown(t.Context()) }()
	testutil.Await(t, func() error {
		ended, end := context.WithCancel(t.Context())
		end()
		if _, err := client.Request(ended, 7, nil); !errors.Is(err, mq.ErrClosed) {
			return fmt.Errorf("not shutting down yet: %v", err)
		}
		return nil
	})
	close(answer)
	if err := <-result; err != nil {
		t.Error(err)
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
	if _, err := q.OpenInbox(inbox); err == nil {
		t.Error("the inbox is still there")
	}
}

func TestBadConfigIsRefused(t *testing.T) {
	q := mqtest.New(nil)
	defer q.Close()
	if err := rpc.Handle(t.Context(), q, 1, upper, &rpc.Config{Concurrency: -1}); !errors.Is(err, mq.ErrInvalidConfig) {
		t.Errorf("negative Concurrency: %v", err)
	}
	if err := rpc.Handle(t.Context(), q, 1, nil, nil); !errors.Is(err, mq.ErrInvalidConfig) {
		t.Errorf("no handler: %v", err)
	}
	if err := rpc.Handle(t.Context(), q, -1, upper, nil); !errors.Is(err, mq.ErrInvalidType) {
		t.Errorf("type -1: %v", err)
	}
}
