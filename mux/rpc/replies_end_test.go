package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mq/sysv"
	"ipcmq/mux/rpc"
)

// endless replies until that fails, and reports why its context has ended.
func endless(why chan<- error) rpc.Handler {
	return rpc.Replies(func(ctx context.Context, _ []byte, reply func([]byte) error) error {
		for {
			if err := reply([]byte("x")); err != nil {
				<-ctx.Done()
				why <- context.Cause(ctx)
				return err
			}
		}
	})
}

func TestALeftRangeEndsTheContextOfTheHandler(t *testing.T) {
	memory := mqtest.New(nil)
	defer memory.Close()
	for typ, q := range map[int64]mq.Queue{7: newQueue(t, nil), 0: newPOSIXQueue(t), 8: memory} {
		client := newClient(t, q)
		why := make(chan error, 1)
		server := serve(t, q, typ, endless(why), &rpc.Config{Concurrency: 1})
		for _, leave := range []int{1, 5, 16, 17, 100} {
			n := 0
			for _, err := range client.Replies(t.Context(), typ, nil) {
				if err != nil {
					t.Fatal(err)
				}
				if n++; n == leave {
					break
				}
			}
			if err := <-why; !errors.Is(err, rpc.ErrLeft) {
				t.Errorf("type %d, left after %d: %v", typ, leave, err)
			}
		}
		// A panic in the loop leaves it too, and so does a context.
		func() {
			defer func() { recover() }()
			for range client.Replies(t.Context(), typ, nil) {
				panic("in the loop")
			}
		}()
		if err := <-why; !errors.Is(err, rpc.ErrLeft) {
			t.Errorf("type %d, panic: %v", typ, err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		n, last := 0, error(nil)
		for _, err := range client.Replies(ctx, typ, nil) {
			last = err
			if n++; n == 20 {
				cancel(errors.New("enough"))
			}
		}
		cancel(nil)
		if n != 21 || !errors.Is(last, context.Canceled) || !strings.Contains(last.Error(), "enough") {
			t.Errorf("type %d, canceled: %d, %v", typ, n, last)
		}
		if err := <-why; !errors.Is(err, rpc.ErrLeft) {
			t.Errorf("type %d, canceled: %v", typ, err)
		}
		if err := server.stop(); err != nil || server.stats.Left.Load() != 7 || server.stats.Lost.Load() != 0 {
			t.Errorf("%v, %d left, %+v", err, server.stats.Left.Load(), server.counts())
		}
		client.Close()
	}
}

// The server does not know yet that there is an iteration, nor the client the
// server's address.
func TestARangeThatIsGivenUpBeforeItsFirstReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		client := newClient(t, q)
		why := make(chan error, 1)
		goOn := make(chan struct{})
		server := serve(t, q, 7, rpc.Replies(func(ctx context.Context, _ []byte, reply func([]byte) error) error {
			<-goOn
			err := reply(nil)
			<-ctx.Done()
			why <- context.Cause(ctx)
			return err
		}), nil)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-time.After(time.Second)
			cancel()
		}()
		for _, err := range client.Replies(ctx, 7, nil) {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		}
		close(goOn)
		began := time.Now()
		if err := <-why; !errors.Is(err, rpc.ErrLeft) || time.Since(began) > time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if st := client.Stats(); st.Late != 1 || st.Foreign != 0 {
			t.Errorf("%+v", st)
		}
		server.stop()
		client.Close()
		q.Close()
	})
}

// The deadline ends an iteration, and the handler with it.
func TestARangeEndsAtItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		client := newClientWith(t, q, &rpc.ClientConfig{Timeout: time.Minute})
		why := make(chan error, 1)
		server := serve(t, q, 7, rpc.Replies(func(ctx context.Context, _ []byte, reply func([]byte) error) error {
			reply(nil)
			<-ctx.Done()
			why <- context.Cause(ctx)
			return nil
		}), nil)
		began, n := time.Now(), 0
		var last error
		for _, err := range client.Replies(t.Context(), 7, nil) {
			n++
			last = err
		}
		if n != 2 || !errors.Is(last, context.DeadlineExceeded) || !strings.Contains(last.Error(), "ClientConfig.Timeout") || time.Since(began) != time.Minute {
			t.Errorf("%d, %v, after %v", n, last, time.Since(began))
		}
		if err := <-why; !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, rpc.ErrLeft) {
			t.Errorf("got %v", err)
		}
		server.stop()
		client.Close()
		q.Close()
	})
}

// A missing reply is an error.
func TestAGapIsAnError(t *testing.T) {
	for name, c := range map[string]struct {
		parts string // numbers, and E with the number at the end
		got   int
		want  string // part of the error; "" for none
	}{
		"whole":              {"1 2 3 E3", 3, ""},
		"none":               {"E0", 0, ""},
		"some twice":         {"1 2 1 2 3 3 E3", 3, ""},
		"the first missing":  {"2 3 E3", 0, "reply 2 came after 0"},
		"one missing":        {"1 3 E3", 1, "reply 3 came after 1"},
		"the last missing":   {"1 2 E3", 2, "2 of 3 replies came"},
		"too many":           {"1 2 3 E2", 3, "3 of 2 replies came"},
		"none of some":       {"E1", 0, "0 of 1 replies came"},
		"the end before all": {"E3 1 2 3", 0, "0 of 3 replies came"},
	} {
		q := newQueue(t, nil)
		client := newClient(t, q)
		go func() {
			m, err := q.Receive(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			h, _, err := rpc.ParseHeader(m.Data)
			if err != nil || h.Window() != 16 {
				t.Errorf("window %d, %v", h.Window(), err)
			}
			in, err := q.OpenInbox(h.Address())
			if err != nil {
				t.Error(err)
				return
			}
			defer in.Close()
			for _, text := range strings.Fields(c.parts) {
				kind := rpc.KindPart
				if text[0] == 'E' {
					kind, text = rpc.KindEnd, text[1:]
				}
				var n uint64
				fmt.Sscan(text, &n)
				in.Send(t.Context(), mq.Message{Type: 1, Data: h.ReplyWith(kind, n).Append(nil, []byte(text))})
			}
		}()
		n, last := 0, error(nil)
		for reply, err := range client.Replies(t.Context(), 7, nil) {
			if last = err; err == nil {
				if n++; string(reply) != fmt.Sprint(n) {
					t.Errorf("%s: reply %d is %q", name, n, reply)
				}
			}
		}
		if n != c.got || (last == nil) != (c.want == "") || last != nil && (!errors.Is(last, rpc.ErrReplyLost) || !strings.Contains(last.Error(), c.want)) {
			t.Errorf("%s: %d, %v", name, n, last)
		}
	}
}

// inboxIDs returns the ids of the inboxes that there are.
func inboxIDs(t *testing.T) map[int]bool {
	t.Helper()
	testutil.NeedNamespace(t)
	ids := map[int]bool{}
	for s, err := range sysv.Queues() {
		if err != nil {
			t.Fatal(err)
		}
		if s.IsInbox() {
			ids[s.ID] = true
		}
	}
	return ids
}

// The inbox of either side is removed.
func TestRangesAndRemovedInboxes(t *testing.T) {
	for _, whose := range []string{"client", "server"} {
		q := newQueue(t, nil)
		why := make(chan error, 1)
		client := newClient(t, q)
		server := serve(t, q, 7, endless(why), nil)
		ordinary := serve(t, q, 8, upper, nil)
		if _, err := client.Request(t.Context(), 8, nil); err != nil {
			t.Fatal(err)
		}
		before := inboxIDs(t)
		n, last := 0, error(nil)
		for _, err := range client.Replies(t.Context(), 7, nil) {
			last = err
			if n++; n != 3 {
				continue
			}
			for id := range inboxIDs(t) {
				if before[id] != (whose == "client") {
					continue
				}
				in, err := sysv.OpenID(id, nil)
				if err == nil {
					err = in.Remove()
				}
				if err != nil {
					t.Fatal(err)
				}
				in.Close()
			}
		}
		err := <-why
		var remote *rpc.RemoteError
		if whose == "client" && (!errors.Is(last, rpc.ErrReplyLost) || !errors.Is(err, rpc.ErrLeft)) {
			t.Errorf("without the inbox of the client: %d, %v; the handler: %v", n, last, err)
		}
		if whose == "server" && (!errors.Is(last, rpc.ErrReplyLost) && !errors.As(last, &remote) || err == nil) {
			t.Errorf("without the inbox of the server: %d, %v; the handler: %v", n, last, err)
		}
		n = 0 // the next iteration has other inboxes
		for _, err := range client.Replies(t.Context(), 7, nil) {
			if err != nil {
				t.Error(err)
			}
			if n++; n == 40 {
				break
			}
		}
		<-why
		server.stop()
		ordinary.stop()
		client.Close()
	}
}

// The end of either side ends its iterations.
func TestRangesEndWithTheirClientAndServer(t *testing.T) {
	q := newQueue(t, nil)
	why := make(chan error, 1)
	server := serve(t, q, 7, endless(why), &rpc.Config{Drain: 50 * time.Millisecond})
	client := newClient(t, q)
	var last error
	n := 0
	for _, err := range client.Replies(t.Context(), 7, nil) {
		if n++; n == 3 {
			client.Close()
		}
		last = err
	}
	if !errors.Is(last, mq.ErrClosed) || n < 3 {
		t.Errorf("%d, %v", n, last)
	}
	if err := <-why; !errors.Is(err, rpc.ErrLeft) {
		t.Errorf("got %v", err)
	}

	client = newClient(t, q)
	n = 0
	for _, err := range client.Replies(t.Context(), 7, nil) {
		if n++; n == 3 {
			server.cancel()
		}
		last = err
	}
	var remote *rpc.RemoteError
	if !errors.As(last, &remote) || !strings.Contains(remote.Text, "rpc.Handle has ended") {
		t.Errorf("%d, %v", n, last)
	}
	<-why
	if err := server.stop(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Handle: %v", err)
	}
}

// A goroutine that outlives the handler sends nothing.
func TestNoRepliesAfterTheHandlerHasReturned(t *testing.T) {
	q := newQueue(t, nil)
	client := newClient(t, q)
	late := make(chan func([]byte) error, 1)
	serve(t, q, 7, rpc.Replies(func(_ context.Context, _ []byte, reply func([]byte) error) error {
		late <- reply
		return reply([]byte("1"))
	}), nil)
	if n, err := counted(t, client, 7, ""); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if err := (<-late)([]byte("2")); err == nil || !strings.Contains(err.Error(), "the handler has returned") {
		t.Errorf("got %v", err)
	}
}

// A request that comes twice, as can happen on a queue on another host, is not
// handled twice at the same time.
func TestARequestForManyRepliesThatComesTwice(t *testing.T) {
	q := newQueue(t, nil)
	client := newClient(t, q)
	server := serve(t, q, 8, rpc.Replies(count), nil)
	go func() {
		first, err := q.Select(mq.Type(7))
		if err != nil {
			t.Error(err)
			return
		}
		m, err := first.Receive(t.Context())
		if err == nil {
			m.Type = 8
			err = errors.Join(q.Send(t.Context(), m), q.Send(t.Context(), m))
		}
		if err != nil {
			t.Error(err)
		}
	}()
	n := 0
	for reply, err := range client.Replies(t.Context(), 7, []byte("50")) {
		if n++; err != nil || string(reply) != fmt.Sprint(n) {
			t.Errorf("reply %d is %q, %v", n, reply, err)
		}
		if n == 1 {
			server.awaitCounts(t, counts{malformed: 1})
		}
	}
	if n != 50 {
		t.Errorf("%d replies", n)
	}
}
