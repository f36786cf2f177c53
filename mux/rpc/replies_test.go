package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mux/rpc"
)

// count replies with the numbers from 1 to that in the request, and then does what
// the request says: an error, a panic, or the end of the goroutine.
func count(_ context.Context, request []byte, reply func([]byte) error) error {
	n, then := 0, ""
	fmt.Sscan(string(request), &n, &then)
	for i := range n {
		if err := reply(fmt.Append(nil, i+1)); err != nil {
			return err
		}
	}
	switch then {
	case "fail":
		return errors.New("no more")
	case "panic":
		panic("no more")
	case "exit":
		runtime.Goexit()
	}
	return nil
}

// counted iterates over the replies of count, and returns how many there were.
func counted(tb testing.TB, c *rpc.Client, t int64, request string) (n int, err error) {
	tb.Helper()
	for reply, err := range c.Replies(tb.Context(), t, []byte(request)) {
		if err != nil {
			return n, err
		}
		if n++; string(reply) != fmt.Sprint(n) {
			tb.Errorf("reply %d is %q", n, reply)
		}
	}
	return n, nil
}

func TestRepliesComeInTheirOrder(t *testing.T) {
	memory := mqtest.New(nil)
	defer memory.Close()
	for typ, q := range map[int64]mq.Queue{7: newQueue(t, nil), 0: newPOSIXQueue(t), 8: memory} {
		client := newClient(t, q)
		server := serve(t, q, typ, rpc.Replies(count), nil)
		want := counts{}
		for _, n := range []int{0, 1, 15, 16, 17, 33, 1000} {
			if got, err := counted(t, client, typ, fmt.Sprint(n)); got != n || err != nil {
				t.Errorf("type %d: %d of %d replies, %v", typ, got, n, err)
			}
			want.handled++
		}
		for then, code := range map[string]rpc.Code{"fail": rpc.CodeFailed, "panic": rpc.CodePanicked, "exit": rpc.CodeNoAnswer} {
			var remote *rpc.RemoteError
			if got, err := counted(t, client, typ, "40 "+then); got != 40 || !errors.As(err, &remote) || remote.Code != code {
				t.Errorf("type %d, %s: %d replies, %v", typ, then, got, err)
			}
			want.handled++
		}
		want.failed, want.panicked, want.exited = 1, 1, 1
		if st := client.Stats(); st != (rpc.ClientStats{Sent: 10, Answered: 10}) {
			t.Errorf("client: %+v", st)
		}
		testutil.Await(t, func() error {
			got := server.counts()
			got.kept = 0 // the end may find no room
			if got != want {
				return fmt.Errorf("got %+v, want %+v", got, want)
			}
			return nil
		})
		if n := server.stats.Replies.Load(); n != 1082+120 || server.stats.Left.Load() != 0 {
			t.Errorf("%d replies, %d left", n, server.stats.Left.Load())
		}
		if err := server.stop(); err != nil {
			t.Error(err)
		}
		client.Close()
	}
	if n := inboxes(t); n != 0 {
		t.Errorf("%d inboxes are left", n)
	}
}

// One side has one reply and the other many: neither guesses.
func TestOneReplyAndManyReplies(t *testing.T) {
	q := newQueue(t, nil)
	client := newClient(t, q)
	serve(t, q, 7, upper, nil)
	serve(t, q, 8, rpc.Replies(count), nil)
	n := 0
	for reply, err := range client.Replies(t.Context(), 7, []byte("x")) {
		if n++; err != nil || string(reply) != "X" {
			t.Errorf("got %q, %v", reply, err)
		}
	}
	if n != 1 {
		t.Errorf("a range of %d over one reply", n)
	}
	var remote *rpc.RemoteError
	if _, err := client.Request(t.Context(), 8, []byte("3")); !errors.As(err, &remote) || remote.Code != rpc.CodeManyReplies {
		t.Errorf("got %v", err)
	}
	if err := rpc.Handle(t.Context(), q, 9, rpc.Replies(nil), nil); !errors.Is(err, mq.ErrInvalidConfig) {
		t.Errorf("without a Replier: %v", err)
	}
}

func TestRepliesHaveMetadata(t *testing.T) {
	q := newQueue(t, nil)
	client := newClient(t, q)
	serve(t, q, 7, rpc.Replies(func(ctx context.Context, request []byte, reply func([]byte) error) error {
		if got := rpc.RequestMetadata(ctx)["of"]; got != "the request" {
			t.Errorf("got %q", got)
		}
		rpc.SetReplyMetadata(ctx, rpc.Metadata{"of": "the first"})
		reply(nil)
		reply(nil)
		return rpc.SetReplyMetadata(ctx, rpc.Metadata{"of": "the end"})
	}), nil)
	var md rpc.Metadata
	ctx := rpc.WithReplyMetadata(rpc.WithMetadata(t.Context(), rpc.Metadata{"of": "the request"}), &md)
	for _, err := range client.Replies(ctx, 7, nil) {
		if err != nil || !maps.Equal(md, rpc.Metadata{"of": "the first"}) {
			t.Errorf("%v, %v", md, err)
		}
	}
	if !maps.Equal(md, rpc.Metadata{"of": "the end"}) {
		t.Errorf("at the end: %v", md)
	}
}

// A reply that can never fit is an error for the handler, which may send another
// one.
func TestAReplyThatNeverFitsIsLeftOut(t *testing.T) {
	q := newQueue(t, nil)
	client := newClient(t, q)
	serve(t, q, 7, rpc.Replies(func(ctx context.Context, _ []byte, reply func([]byte) error) error {
		for _, n := range []int{1, 1 << 20, 8000} {
			if err := reply(make([]byte, n)); errors.Is(err, mq.ErrTooLarge) != (n > 8192) {
				t.Errorf("%d bytes: %v", n, err)
			}
		}
		return nil
	}), nil)
	var sizes []int
	for reply, err := range client.Replies(t.Context(), 7, nil) {
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(reply))
	}
	if fmt.Sprint(sizes) != "[1 8000]" {
		t.Errorf("got %v", sizes)
	}
}

// While the loop of the caller is busy, the handler waits, but others do not.
func TestABusyCallerBlocksOnlyItsHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		client := newClient(t, q)
		server := serve(t, q, 7, rpc.Replies(func(_ context.Context, _ []byte, reply func([]byte) error) error {
			for range 100 {
				if err := reply(make([]byte, 4000)); err != nil {
					return err
				}
			}
			return nil
		}), nil)
		other := serve(t, q, 8, upper, nil)
		n := 0
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		for _, err := range client.Replies(ctx, 7, nil) {
			if err != nil {
				t.Fatal(err)
			}
			n++
			<-time.After(time.Second)
			synctest.Wait()
			if sent := int(server.stats.Replies.Load()); sent > n+16 {
				t.Errorf("%d were sent when %d were taken", sent, n)
			}
			began := time.Now()
			if got, err := client.Request(t.Context(), 8, []byte("x")); err != nil || string(got) != "X" || time.Since(began) > 0 {
				t.Errorf("got %q, %v, after %v", got, err, time.Since(began))
			}
		}
		if n != 100 {
			t.Errorf("%d replies", n)
		}
		cancel()
		server.stop()
		other.stop()
		client.Close()
		q.Close()
	})
}

// Iterations and single calls share an inbox.
func TestManyRangesAtOnce(t *testing.T) {
	q := newQueue(t, nil)
	client := newClient(t, q)
	server := serve(t, q, 7, rpc.Replies(count), nil)
	serve(t, q, 8, upper, nil)
	var callers sync.WaitGroup
	var left atomic.Int64
	for c := range 24 {
		callers.Go(func() {
			for i := range 20 {
				if c%3 == 0 {
					if got, err := client.Request(t.Context(), 8, []byte("x")); err != nil || string(got) != "X" {
						t.Errorf("got %q, %v", got, err)
					}
					continue
				}
				n, stop := c+10*i, 1000
				if c%3 == 1 {
					stop = 1 + i
				}
				got := 0
				for reply, err := range client.Replies(t.Context(), 7, fmt.Append(nil, n)) {
					if got++; err != nil || string(reply) != fmt.Sprint(got) {
						t.Errorf("reply %d is %q, %v", got, reply, err)
						return
					}
					if got == stop {
						left.Add(1)
						break
					}
				}
				if got != min(n, stop) {
					t.Errorf("%d replies of %d", got, n)
				}
			}
		})
	}
	callers.Wait()
	if err := server.stop(); err != nil {
		t.Error(err)
	}
	if st := server.counts(); st.handled != 16*20 || st.lost != 0 || st.malformed != 0 {
		t.Errorf("%+v", st)
	}
	t.Logf("%d ranges left, seen by the server: %d", left.Load(), server.stats.Left.Load())
	if st := client.Stats(); st.Foreign != 0 || strings.Contains(fmt.Sprint(st), "-") {
		t.Errorf("%+v", st)
	}
}
