package mux_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mq/sysv"
	"ipcmq/mux"
)

// upper answers with the request in upper case.
func upper(_ context.Context, request []byte) ([]byte, error) { return bytes.ToUpper(request), nil }

func handle(tb testing.TB, m *mux.Mux, t int64, h mux.Handler, cfg *mux.HandleConfig) (off func()) {
	tb.Helper()
	off, err := m.Handle(t, h, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return off
}

func TestRequestIsAnswered(t *testing.T) {
	q := newQueue(t, nil)
	m := newMux(t, q, nil)
	handle(t, m, 7, upper, nil)
	for i := range 100 {
		got, err := m.Request(t.Context(), 7, fmt.Appendf(nil, "hello %d", i))
		if err != nil || string(got) != fmt.Sprintf("HELLO %d", i) {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	if got, err := m.Request(t.Context(), 7, nil); err != nil || len(got) != 0 {
		t.Errorf("empty request: %q, %v", got, err)
	}
	st := m.Stats()
	if st.Requests.Sent != 101 || st.Requests.Answered != 101 || st.Handled.Handled != 101 || st.Handled.Lost != 0 {
		t.Errorf("%+v", st)
	}
}

func TestConcurrentCallersGetTheirOwnReplies(t *testing.T) {
	q := newQueue(t, nil)
	m := newMux(t, q, nil)
	handle(t, m, 7, upper, nil)
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
// with inboxes of their own, and 8 servers.
func TestRequestsThatFillTheQueueDoNotDeadlock(t *testing.T) {
	const size = 40 + len("sysv:12345") + 64
	q := newQueue(t, &sysv.Config{Capacity: 4 * size})
	for range 8 {
		handle(t, newMux(t, q, nil), 7, upper, nil)
	}
	var clients sync.WaitGroup
	for range 50 {
		m := newMux(t, q, nil)
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

func TestHandlerErrorsReachTheClient(t *testing.T) {
	q := newQueue(t, nil)
	m := newMux(t, q, nil)
	panics := make(chan any, 1)
	handle(t, m, 7, func(_ context.Context, request []byte) ([]byte, error) {
		switch string(request) {
		case "fail":
			return nil, errors.New("no such thing")
		case "own code":
			return nil, &mux.RemoteError{Code: 2000, Text: "mine"}
		case "panic":
			panic("oh no")
		case "large":
			return make([]byte, 9000), nil
		}
		return nil, nil
	}, &mux.HandleConfig{OnPanic: func(v any, stack []byte) {
		if !bytes.Contains(stack, []byte("request_test.go")) {
			t.Errorf("stack without the handler: %s", stack)
		}
		panics <- v
	}})
	for _, c := range []struct {
		request, text string
		code          mux.Code
	}{
		{"fail", "no such thing", mux.CodeFailed},
		{"own code", "mine", 2000},
		{"panic", "handler panicked: oh no", mux.CodePanicked},
		{"large", "kernel.msgmax", mux.CodeTooLarge},
	} {
		_, err := m.Request(t.Context(), 7, []byte(c.request))
		var remote *mux.RemoteError
		if !errors.As(err, &remote) || remote.Code != c.code || !strings.Contains(remote.Text, c.text) {
			t.Errorf("%s: got %v", c.request, err)
		}
	}
	if v := <-panics; v != "oh no" {
		t.Errorf("OnPanic got %v", v)
	}
	if st := m.Stats().Handled; st.Handled != 4 || st.Failed != 2 || st.Panicked != 1 {
		t.Errorf("%+v", st)
	}
}

func TestRequestErrorsThatComeBeforeSending(t *testing.T) {
	q := newQueue(t, nil)
	m := newMux(t, q, nil)
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

// plain hides what a queue is besides an mq.Queue.
type plain struct{ mq.Queue }

func TestQueueWithoutInboxesIsUnsupported(t *testing.T) {
	q := newQueue(t, nil)
	m := newMux(t, plain{q}, nil)
	if _, err := m.Request(t.Context(), 7, nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Request: %v", err)
	}
	if _, err := m.Handle(7, upper, nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Handle: %v", err)
	}
}

func TestRemovalOfTheRequestQueueFailsRequestsUnderWay(t *testing.T) {
	q := newQueue(t, nil)
	m := newMux(t, q, nil) // a client only: nothing of it waits on the queue
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

func TestCloseFailsRequestsUnderWay(t *testing.T) {
	q := newQueue(t, nil)
	m := newMux(t, q, nil)
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

func TestAbandonedRequestsAndLateReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		client, server := newMux(t, q, nil), newMux(t, q, nil)
		handle(t, server, 7, func(ctx context.Context, request []byte) ([]byte, error) {
			if string(request) == "slow" {
				<-time.After(time.Minute)
			}
			return request, nil
		}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-time.After(time.Second)
			cancel()
		}()
		if _, err := client.Request(ctx, 7, []byte("slow")); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
		<-time.After(time.Hour)
		if got, err := client.Request(t.Context(), 7, []byte("next")); err != nil || string(got) != "next" {
			t.Fatalf("got %q, %v", got, err)
		}
		if st := client.Stats().Requests; st.Late != 1 || st.Answered != 1 || st.Duplicate+st.Foreign != 0 {
			t.Errorf("%+v", st)
		}
		server.Close()
		client.Close()
		q.Close()
	})
}

func TestExpiredRequestsAreNotHandled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		client, server := newMux(t, q, nil), newMux(t, q, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := client.Request(ctx, 7, []byte("nobody is there")); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		<-time.After(time.Second)
		var handled atomic.Int64
		discarded := make(chan error, 10)
		handle(t, server, 7, func(ctx context.Context, request []byte) ([]byte, error) {
			handled.Add(1)
			if string(request) == "slow" {
				<-ctx.Done() // the deadline of the request
			}
			return nil, nil
		}, &mux.HandleConfig{OnDiscard: func(_ mq.Message, err error) { discarded <- err }})
		if err := <-discarded; !errors.Is(err, mux.ErrExpired) || handled.Load() != 0 {
			t.Errorf("discarded with %v, %d handled", err, handled.Load())
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := client.Request(ctx, 7, []byte("slow")); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		if err := <-discarded; !errors.Is(err, mux.ErrExpired) || handled.Load() != 1 {
			t.Errorf("discarded with %v, %d handled", err, handled.Load())
		}
		server.Close()
		client.Close()
		q.Close()
	})
}

func TestForeignAndDuplicateRepliesAreDiscarded(t *testing.T) {
	q := newQueue(t, nil)
	m := newMux(t, q, nil)
	requests := subscribe(t, newMux(t, q, nil), mq.Type(7), nil)
	answered := make(chan error)
	go func() {
		got, err := m.Request(t.Context(), 7, []byte("x"))
		if err == nil && string(got) != "right" {
			err = fmt.Errorf("got %q", got)
		}
		answered <- err
	}()
	raw := (<-requests.Messages()).Data
	h, _, err := mux.ParseHeader(raw)
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
		b[5], b[32] = 2, 0 // a reply, without an address
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
	raw = (<-requests.Messages()).Data
	reply(same, "right")
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if st := m.Stats().Requests; st.Foreign != 4 || st.Duplicate != 1 || st.Late != 0 || st.Answered != 2 {
		t.Errorf("%+v", st)
	}
}

func TestServerAnswersIntoInboxesOnly(t *testing.T) {
	q := newQueue(t, nil)
	victim := newQueue(t, nil) // private, but no inbox
	server := newMux(t, q, nil)
	discarded := make(chan error, 10)
	handle(t, server, 7, upper, &mux.HandleConfig{OnDiscard: func(_ mq.Message, err error) { discarded <- err }})
	for _, address := range []string{
		fmt.Sprintf("sysv:%d", victim.ID()), fmt.Sprintf("sysv:%d", q.ID()), "sysv:", "sysv:-1", "sysv:99999999999", "/etc/passwd", "",
	} {
		send(t, q, 7, string(mux.NewHeader(address)))
		if err := <-discarded; !errors.Is(err, mux.ErrReplyLost) || !errors.Is(err, mq.ErrNotInbox) {
			t.Errorf("%q: %v", address, err)
		}
	}
	if st, _ := victim.Stat(); st.Messages != 0 {
		t.Error("the server wrote into another program's queue")
	}
	if st := server.Stats().Handled; st.Refused != 7 || st.Lost != 7 {
		t.Errorf("%+v", st)
	}
}

func TestMessagesThatAreNoRequestsAreDiscarded(t *testing.T) {
	q := newQueue(t, nil)
	server := newMux(t, q, nil)
	discarded := make(chan error, 10)
	handle(t, server, 7, func(context.Context, []byte) ([]byte, error) {
		t.Error("was handled")
		return nil, nil
	}, &mux.HandleConfig{OnDiscard: func(_ mq.Message, err error) { discarded <- err }})
	good := mux.NewHeader("sysv:1")
	change := func(at int, to byte) string {
		b := bytes.Clone(good)
		b[at] = to
		return string(b)
	}
	bad := []string{"", "plain", string(good[:39]), change(4, 2), change(5, 2), change(5, 9), change(32, 200), change(33, 200), change(0, 'x')}
	for _, b := range bad {
		send(t, q, 7, b)
		if err := <-discarded; !errors.Is(err, mux.ErrNotRequest) {
			t.Errorf("%q: %v", b, err)
		}
	}
	if st := server.Stats().Handled; st.Malformed != uint64(len(bad)) {
		t.Errorf("%+v", st)
	}
}

func TestADeadClientDoesNotHoldUpTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(&mqtest.Config{Capacity: 1 << 20})
		server, alive := newMux(t, q, nil), newMux(t, q, nil)
		inbox, err := q.NewInbox() // nobody receives from it: as if its client were dead
		if err != nil {
			t.Fatal(err)
		}
		for range inbox.Capabilities().MaxPayload { // full, to the last byte
			if err := inbox.TrySend(mq.Message{Type: 1, Data: make([]byte, 4096)}); errors.Is(err, mq.ErrFull) {
				break
			}
		}
		for range 100 {
			send(t, q, 7, string(mux.NewHeader(inbox.Address()))+strings.Repeat("x", 4096))
		}
		began := time.Now()
		handle(t, server, 7, upper, &mux.HandleConfig{Concurrency: 1})
		if _, err := alive.Request(t.Context(), 7, nil); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d > time.Second {
			t.Errorf("100 replies to a dead client took %v", d)
		}
		if st := server.Stats().Handled; st.Lost != 100 {
			t.Errorf("%+v", st)
		}
		server.Close()
		alive.Close()
		inbox.Remove()
		q.Close()
	})
}

func TestCloseFromWithinAHandler(t *testing.T) {
	q := newQueue(t, nil)
	server, client := newMux(t, q, nil), newMux(t, q, nil)
	canceled := make(chan bool)
	handle(t, server, 7, func(ctx context.Context, _ []byte) ([]byte, error) {
		server.Close()
		canceled <- ctx.Err() != nil
		return []byte("closed"), nil
	}, nil)
	go func() {
		if !<-canceled {
			t.Error("Close has not canceled the handler's context")
		}
	}()
	if got, err := client.Request(t.Context(), 7, nil); err != nil || string(got) != "closed" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestShutdownLetsHandlersFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		server, client := newMux(t, q, nil), newMux(t, q, nil)
		handle(t, server, 7, func(ctx context.Context, request []byte) ([]byte, error) {
			select {
			case <-time.After(time.Minute):
				return request, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}, &mux.HandleConfig{Concurrency: 2})
		results := make(chan error, 5)
		for range 5 {
			go func() {
				_, err := client.Request(t.Context(), 7, nil)
				results <- err
			}()
		}
		synctest.Wait()
		if err := server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		for range 3 { // two that ran, one that was taken
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if left := q.Stat().Messages; left != 2 {
			t.Errorf("%d requests are left for other servers, want 2", left)
		}
		// Another server takes over, and is given less time than it needs.
		next := newMux(t, q, nil)
		handle(t, next, 7, func(ctx context.Context, _ []byte) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, nil)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := next.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		for range 2 {
			var remote *mux.RemoteError
			if err := <-results; !errors.As(err, &remote) || remote.Text != context.Canceled.Error() {
				t.Errorf("got %v", err)
			}
		}
		client.Close()
		q.Close()
	})
}

func TestShutdownWaitsForRequestsAndRemovesTheInbox(t *testing.T) {
	q := newQueue(t, nil)
	server, client := newMux(t, q, nil), newMux(t, q, nil)
	answer := make(chan struct{})
	address := make(chan string, 1)
	handle(t, server, 7, func(_ context.Context, _ []byte) ([]byte, error) {
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
		if err := client.Publish(t.Context(), mq.Message{Type: 1}); !errors.Is(err, mq.ErrClosed) {
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
