package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mux/rpc"
)

// ask makes a request that nobody may answer in time.
func ask(t *testing.T, c *rpc.Client, typ int64, data []byte, within time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	_, err := c.Request(ctx, typ, data)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	return err
}

// Many requests that nobody takes leave room for others, and a live service on
// the same queue continues.
func TestAnAbsentServiceHarmsNobody(t *testing.T) {
	q := newQueue(t, nil)
	client := newClient(t, q)
	serve(t, q, 1, upper, nil)
	for size, most := range map[int]int64{20: 32, 1000: 3, 5000: 1} { // 4096 bytes are a quarter
		typ := int64(size)
		before := messagesIn(t, q)
		var last error
		for range 60 {
			last = ask(t, client, typ, make([]byte, size), 2*time.Millisecond)
		}
		if n := messagesIn(t, q) - before; n < 1 || n > most {
			t.Errorf("%d bytes: %d requests stay, want up to %d", size, n, most)
		}
		if !errors.Is(last, rpc.ErrNoServer) || !strings.Contains(last.Error(), "it was not sent") || !strings.Contains(last.Error(), fmt.Sprintf("of type %d", size)) {
			t.Errorf("%d bytes: %v", size, last)
		}
		if got, err := client.Request(t.Context(), 1, []byte("x")); err != nil || string(got) != "X" {
			t.Errorf("the live service: %q, %v", got, err)
		}
		for range messagesIn(t, q) { // room for the next
			if _, err := q.TryReceive(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if st := client.Stats(); st.Sent > 3+32+3+1 {
		t.Errorf("%+v", st)
	}
}

func messagesIn(t *testing.T, q mq.Meter) int64 {
	t.Helper()
	u, err := q.Usage()
	if err != nil {
		t.Fatal(err)
	}
	return u.Messages
}

func TestAnAbsentServiceOnAPOSIXQueue(t *testing.T) {
	q := newPOSIXQueue(t)
	client := newClient(t, q)
	for range 20 {
		ask(t, client, 0, nil, 2*time.Millisecond)
	}
	if n := messagesIn(t, q); n != 2 { // of 8
		t.Errorf("%d requests stay", n)
	}
	serve(t, q, 0, upper, nil)
	if got, err := client.Request(t.Context(), 0, []byte("x")); err != nil || string(got) != "X" {
		t.Errorf("got %q, %v", got, err)
	}
}

// Without a limit, all stay. One that was answered before is limited as well.
func TestHowManyUnansweredRequestsStay(t *testing.T) {
	for name, c := range map[string]struct {
		limit int
		once  bool // there was a server
		want  int64
	}{
		"by default": {0, false, 32}, "five": {5, false, 5}, "no limit": {-1, false, 50},
		"once answered": {5, true, 5},
	} {
		q := newQueue(t, nil)
		client := newClientWith(t, q, &rpc.ClientConfig{MaxUnanswered: c.limit})
		if c.once {
			server := serve(t, q, 7, upper, nil)
			if _, err := client.Request(t.Context(), 7, nil); err != nil {
				t.Fatal(err)
			}
			server.stop()
		}
		for range 50 {
			ask(t, client, 7, nil, time.Millisecond)
		}
		if n := messagesIn(t, q); n > c.want || c.limit != 0 && n < min(c.want, 3) {
			t.Errorf("%s: %d requests stay, want %d", name, n, c.want)
		}
	}
}

// A request that waits is sent as soon as there is a server, whether that
// answers requests that came too late, or takes them silently.
func TestAServerThatComesLaterGetsTheRequestsThatWait(t *testing.T) {
	for _, silent := range []bool{false, true} {
		q := newQueue(t, nil)
		client := newClientWith(t, q, &rpc.ClientConfig{MaxUnanswered: 4})
		for range 6 {
			ask(t, client, 7, nil, 2*time.Millisecond)
		}
		var callers sync.WaitGroup
		for range 20 {
			callers.Go(func() {
				if got, err := client.Request(t.Context(), 7, []byte("x")); err != nil || string(got) != "X" {
					t.Errorf("got %q, %v", got, err)
				}
			})
		}
		if silent {
			for range 4 {
				if _, err := q.Receive(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		} else {
			for range 100 {
				send(t, q, 9, "of others") // this must not look like room
			}
		}
		serve(t, q, 7, upper, nil)
		callers.Wait()
	}
}

func TestCallersThatCameBeforeTheServerAreAllAnswered(t *testing.T) {
	q := newQueue(t, nil)
	client := newClient(t, q)
	var callers sync.WaitGroup
	for range 300 {
		callers.Go(func() {
			if _, err := client.Request(t.Context(), 7, nil); err != nil {
				t.Error(err)
			}
		})
	}
	testutil.Await(t, func() error {
		if n := messagesIn(t, q); n != 32 {
			return fmt.Errorf("%d requests wait, want 32", n)
		}
		return nil
	})
	serve(t, q, 7, upper, nil)
	callers.Wait()
}

// Within an hour of requests, a few are sent beyond the limit: there may be a
// server that does not answer requests that came too late.
func TestNowAndThenARequestIsSentAnyway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		client := newClientWith(t, q, &rpc.ClientConfig{MaxUnanswered: 4})
		for range 60 {
			ask(t, client, 7, nil, time.Minute)
		}
		if n := messagesIn(t, q); n < 4+6 || n > 4+12 {
			t.Errorf("%d requests stay", n)
		}
		client.Close()
		q.Close()
	})
}

// A request that waits to be sent ends with its context, the client, and the
// queue, and uses another inbox if its own is removed.
func TestRequestsThatWaitToBeSentEnd(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(cancel context.CancelFunc, c *rpc.Client, q interface{ Remove() error })
		want error
	}{
		"canceled": {func(cancel context.CancelFunc, _ *rpc.Client, _ interface{ Remove() error }) { cancel() }, context.Canceled},
		"closed":   {func(_ context.CancelFunc, c *rpc.Client, _ interface{ Remove() error }) { c.Close() }, mq.ErrClosed},
		"removed":  {func(_ context.CancelFunc, _ *rpc.Client, q interface{ Remove() error }) { q.Remove() }, mq.ErrRemoved},
	} {
		q := newQueue(t, nil)
		client := newClientWith(t, q, &rpc.ClientConfig{MaxUnanswered: 1})
		ask(t, client, 7, nil, time.Millisecond)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error)
		for range 3 {
			go func() {
				_, err := client.Request(ctx, 7, nil)
				ended <- err
			}()
		}
		c.end(cancel, client, q)
		for range 3 {
			if err := <-ended; !errors.Is(err, c.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	q := newQueue(t, nil)
	client := newClientWith(t, q, &rpc.ClientConfig{MaxUnanswered: 1})
	ask(t, client, 7, nil, time.Millisecond)
	if _, err := client.Request(t.Context(), 7, make([]byte, 9000)); !errors.Is(err, mq.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	answered := make(chan error)
	go func() {
		_, err := client.Request(t.Context(), 7, nil)
		answered <- err
	}()
	removeInboxes(t)
	serve(t, q, 7, upper, nil)
	if err := <-answered; err != nil && !errors.Is(err, rpc.ErrReplyLost) { // it may have been sent
		t.Error(err)
	}
}
