package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mux"
	"ipcmq/mux/rpc"
)

func TestHandlerErrorsReachTheClient(t *testing.T) {
	q := newQueue(t, nil)
	m := newClient(t, q)
	panics := make(chan any, 1)
	s := serve(t, q, 7, func(_ context.Context, request []byte) ([]byte, error) {
		switch string(request) {
		case "fail":
			return nil, errors.New("no such thing")
		case "own code":
			return nil, &rpc.RemoteError{Code: 2000, Text: "mine"}
		case "panic":
			panic("oh no")
		case "large":
			return make([]byte, 9000), nil
		}
		return nil, nil
	}, &rpc.Config{OnError: func(_ mq.Message, err error) {
		var p *mq.PanicError
		if !errors.As(err, &p) {
			t.Errorf("got %v", err)
			return
		}
		if !bytes.Contains(p.Stack, []byte("server_test.go")) {
			t.Errorf("stack without the handler: %s", p.Stack)
		}
		panics <- p.Value
	}})
	for _, c := range []struct {
		request, text string
		code          rpc.Code
	}{
		{"fail", "no such thing", rpc.CodeFailed},
		{"own code", "mine", 2000},
		{"panic", "handler panicked: oh no", rpc.CodePanicked},
		{"large", "kernel.msgmax", rpc.CodeTooLarge},
	} {
		_, err := m.Request(t.Context(), 7, []byte(c.request))
		var remote *rpc.RemoteError
		if !errors.As(err, &remote) || remote.Code != c.code || !strings.Contains(remote.Text, c.text) {
			t.Errorf("%s: got %v", c.request, err)
		}
	}
	if v := <-panics; v != "oh no" {
		t.Errorf("OnError got %v", v)
	}
	if st := s.counts(); st.handled != 4 || st.failed != 2 || st.panicked != 1 {
		t.Errorf("%+v", st)
	}
}

func TestAServerAnswersOnlyToInboxes(t *testing.T) {
	q := newQueue(t, nil)
	victim := newQueue(t, nil) // private, but not an inbox
	discarded := make(chan error, 10)
	server := serve(t, q, 7, upper, &rpc.Config{OnError: func(_ mq.Message, err error) { discarded <- err }})
	for _, address := range []string{
		fmt.Sprintf("sysv:%d", victim.ID()), fmt.Sprintf("sysv:%d", q.ID()), "sysv:", "sysv:-1", "sysv:99999999999", "/etc/passwd", "",
	} {
		send(t, q, 7, string(rpc.NewHeader(address)))
		if err := <-discarded; !errors.Is(err, rpc.ErrReplyLost) || !errors.Is(err, mq.ErrNotInbox) {
			t.Errorf("%q: %v", address, err)
		}
	}
	if st, _ := victim.Stat(); st.Messages != 0 {
		t.Error("the server wrote into another program's queue")
	}
	server.awaitCounts(t, counts{handled: 7, refused: 7, lost: 7})
}

func TestOtherMessagesAreDiscarded(t *testing.T) {
	q := newQueue(t, nil)
	discarded := make(chan error, 10)
	server := serve(t, q, 7, func(context.Context, []byte) ([]byte, error) {
		t.Error("was handled")
		return nil, nil
	}, &rpc.Config{OnError: func(_ mq.Message, err error) { discarded <- err }})
	good := rpc.NewHeader("sysv:1")
	change := func(at int, to byte) string {
		b := bytes.Clone(good)
		b[at] = to
		return string(b)
	}
	bad := []string{"", "plain", string(good[:39]), change(4, 2), change(5, 2), change(5, 9), change(32, 200), change(33, 200), change(0, 'x')}
	for _, b := range bad {
		send(t, q, 7, b)
		if err := <-discarded; !errors.Is(err, rpc.ErrNotRequest) {
			t.Errorf("%q: %v", b, err)
		}
	}
	if st := server.counts(); st.malformed != len(bad) {
		t.Errorf("%+v", st)
	}
}

func TestADeadClientDoesNotBlockTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(&mqtest.Config{Capacity: 1 << 20})
		alive := newClient(t, q)
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
			send(t, q, 7, string(rpc.NewHeader(inbox.Address()))+strings.Repeat("x", 4096))
		}
		began := time.Now()
		server := serve(t, q, 7, upper, &rpc.Config{Concurrency: 1})
		if _, err := alive.Request(t.Context(), 7, nil); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("100 replies to a dead client took %v", d)
		}
		if st := server.counts(); st != (counts{handled: 101, kept: 100}) {
			t.Errorf("%+v", st)
		}
		<-time.After(31 * time.Second)
		if st := server.counts(); st != (counts{handled: 101, kept: 100, lost: 100}) {
			t.Errorf("%+v", st)
		}
		server.stop()
		alive.Close()
		inbox.Remove()
		q.Close()
	})
}

func TestHandlersLearnOfTheEndAndTheirRepliesReachTheClients(t *testing.T) {
	q := newQueue(t, nil)
	client := newClient(t, q)
	asked := make(chan struct{})
	server := serve(t, q, 7, func(ctx context.Context, _ []byte) ([]byte, error) {
		close(asked)
		<-ctx.Done() // soon, since Drain is very short
		return []byte("closed"), nil
	}, &rpc.Config{Drain: 1})
	go func() {
		<-asked
		server.cancel()
	}()
	if got, err := client.Request(t.Context(), 7, nil); err != nil || string(got) != "closed" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := server.stop(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestHandleLetsHandlersFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		client := newClientWith(t, q, &rpc.ClientConfig{Timeout: -1})
		server := serve(t, q, 7, func(ctx context.Context, request []byte) ([]byte, error) {
			select {
			case <-time.After(time.Minute):
				return request, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}, &rpc.Config{Concurrency: 2, Drain: -1})
		results := make(chan error, 5)
		for range 5 {
			go func() {
				_, err := client.Request(t.Context(), 7, nil)
				results <- err
			}()
		}
		synctest.Wait()
		if err := server.stop(); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if left := q.Stat().Messages; left != 3 {
			t.Errorf("%d requests are left for other servers, want 3", left)
		}
		// Another server takes over, and is given less time than it needs.
		next := serve(t, q, 7, func(ctx context.Context, _ []byte) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, &rpc.Config{Drain: time.Second})
		synctest.Wait()
		if err := next.stop(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		for range 3 {
			var remote *rpc.RemoteError
			if err := <-results; !errors.As(err, &remote) || remote.Text != context.Canceled.Error() {
				t.Errorf("got %v", err)
			}
		}
		client.Close()
		q.Close()
	})
}

func TestHandleGivesUpOnAHandlerThatBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		client := newClient(t, q)
		forever := make(chan struct{})
		server := serve(t, q, 7, func(context.Context, []byte) ([]byte, error) {
			<-forever
			return []byte("after all"), nil
		}, &rpc.Config{Drain: time.Second})
		result := make(chan string, 1)
		go func() {
			reply, err := client.Request(t.Context(), 7, nil)
			result <- fmt.Sprint(string(reply), err)
		}()
		synctest.Wait()
		began := time.Now()
		err := server.stop()
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "the handlers of 1 have not returned") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("took %v", took)
		}
		close(forever)
		if got := <-result; got != "after all<nil>" {
			t.Errorf("the client got %s", got)
		}
		client.Close()
		q.Close()
	})
}

// Requests that a subscription to all types has taken are answered like others.
func TestRequestsFromASubscriptionAreAnswered(t *testing.T) {
	q := newQueue(t, nil)
	m, err := mux.New(q, nil)
	if err != nil {
		t.Fatal(err)
	}
	sub, err := m.Subscribe(mq.Except(9), nil)
	if err != nil {
		t.Fatal(err)
	}
	var stats rpc.ServerStats
	ended := make(chan error)
	go func() { ended <- rpc.HandleMessages(t.Context(), q, sub.Messages(), upper, &rpc.Config{Stats: &stats}) }()
	client := newClient(t, q)
	var callers sync.WaitGroup
	for typ := range int64(8) {
		callers.Go(func() {
			for i := range 50 {
				want := fmt.Sprintf("TYPE %d, %d", typ, i)
				if got, err := client.Request(t.Context(), typ+1, []byte(strings.ToLower(want))); err != nil || string(got) != want {
					t.Errorf("got %q, %v", got, err)
				}
			}
		})
	}
	callers.Wait()
	if err := m.Shutdown(t.Context()); err != nil { // this closes the channel
		t.Error(err)
	}
	if err := <-ended; err != nil || stats.Handled.Load() != 400 {
		t.Errorf("%d handled, %v", stats.Handled.Load(), err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	messages := make(chan mq.Message)
	go func() { ended <- rpc.HandleMessages(ctx, q, messages, upper, nil) }()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := rpc.HandleMessages(t.Context(), q, nil, upper, nil); !errors.Is(err, mq.ErrInvalidConfig) {
		t.Errorf("no channel: %v", err)
	}
}
