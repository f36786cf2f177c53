package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mux/rpc"
)

func TestAbandonedRequestsAndLateReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		client := newClientWith(t, q, &rpc.ClientConfig{Timeout: -1})
		server := serve(t, q, 7, func(ctx context.Context, request []byte) ([]byte, error) {
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
		if st := client.Stats(); st.Late != 1 || st.Answered != 1 || st.Duplicate+st.Foreign != 0 {
			t.Errorf("%+v", st)
		}
		server.stop()
		client.Close()
		q.Close()
	})
}

// Every wait of a request ends with the context, and the error names the
// request and the cause.
func TestARequestThatItsContextEndsNamesItselfAndTheCause(t *testing.T) {
	why := errors.New("the shop has closed")
	for _, c := range []struct {
		name    string
		waiting int // other requests that wait for replies
		full    bool
		early   bool
		state   string
	}{
		{name: "before it begins", early: true},
		{name: "while the queue is full", full: true, state: "; the request was not sent; the queue has no room for "},
		{name: "while it receives", state: "; the request was sent, but no reply has come"},
		{name: "while another call receives", waiting: 1, state: "; the request was sent, but no reply has come"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := mqtest.New(&mqtest.Config{Capacity: 4096})
				client := newClient(t, q)
				others, stop := context.WithCancel(t.Context())
				for range c.waiting {
					go client.Request(others, 7, nil)
					synctest.Wait()
				}
				for c.full && q.TrySend(mq.Message{Type: 1, Data: make([]byte, 10)}) == nil {
				}
				ctx, cancel := context.WithCancelCause(t.Context())
				if c.early {
					cancel(why)
				}
				result := make(chan error)
				go func() {
					_, err := client.Request(ctx, 7, nil)
					result <- err
				}()
				synctest.Wait()
				cancel(why)
				err := <-result
				if !errors.Is(err, context.Canceled) || !errors.Is(err, why) ||
					!strings.HasPrefix(err.Error(), "mq: request of type 7 in ") || !strings.Contains(err.Error(), ": context canceled: the shop has closed"+c.state) {
					t.Errorf("got %v", err)
				}
				stop()
				client.Close()
				q.Close()
			})
		})
	}
}

func TestARequestWithoutADeadlineGetsOne(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{0: rpc.DefaultTimeout, time.Second: time.Second} {
		synctest.Test(t, func(t *testing.T) {
			q := mqtest.New(nil)
			client := newClientWith(t, q, &rpc.ClientConfig{Timeout: timeout})
			ctx, cancel := context.WithCancel(t.Context())
			began := time.Now()
			_, err := client.Request(ctx, 7, nil)
			if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), fmt.Sprintf("no reply within ClientConfig.Timeout = %v", want)) {
				t.Errorf("got %v", err)
			}
			if took := time.Since(began); took != want {
				t.Errorf("took %v, want %v", took, want)
			}
			longer, stop := context.WithTimeout(ctx, time.Hour) // this overrides it
			_, err = client.Request(longer, 7, nil)
			if took := time.Since(began); took != want+time.Hour || !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "ClientConfig") {
				t.Errorf("took %v, %v", took, err)
			}
			stop()
			cancel()
			if _, err = client.Request(ctx, 7, nil); !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "ClientConfig") {
				t.Errorf("got %v", err)
			}
			client.Close()
			q.Close()
		})
	}
}

// A client whose clock is behind that of the server still waits.
func TestARequestThatCameTooLateIsAnsweredWithAnError(t *testing.T) {
	q := newQueue(t, nil)
	server := serve(t, q, 7, upper, nil)
	in, err := q.NewInbox()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer in.Remove()
	h := rpc.MakeHeader(rpc.KindRequest, 0, 5, 6, time.Now().Add(-time.Minute), in.Address())
	send(t, q, 7, string(h.Append(nil, []byte("x"))))
	m, err := in.Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := rpc.MakeHeader(rpc.KindError, rpc.CodeExpired, 5, 6, time.Time{}, "").Append(nil, []byte("the request came 1m0"))
	if !bytes.HasPrefix(m.Data, want) || !bytes.HasSuffix(m.Data, []byte("s after its deadline, by the wall clocks of client and server, which may differ")) {
		t.Errorf("got %q", m.Data)
	}
	if st := server.counts(); st != (counts{expired: 1}) {
		t.Errorf("%+v", st)
	}
}

func TestExpiredRequestsAreNotHandled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		client := newClient(t, q)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := client.Request(ctx, 7, []byte("nobody is there")); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		<-time.After(time.Second)
		var handled atomic.Int64
		discarded := make(chan error, 10)
		server := serve(t, q, 7, func(ctx context.Context, request []byte) ([]byte, error) {
			handled.Add(1)
			if string(request) == "slow" {
				<-ctx.Done() // the deadline of the request
			}
			return nil, nil
		}, &rpc.Config{OnError: func(_ mq.Message, err error) { discarded <- err }})
		if err := <-discarded; !errors.Is(err, rpc.ErrExpired) || handled.Load() != 0 {
			t.Errorf("discarded with %v, %d handled", err, handled.Load())
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := client.Request(ctx, 7, []byte("slow")); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		if err := <-discarded; !errors.Is(err, rpc.ErrExpired) || handled.Load() != 1 {
			t.Errorf("discarded with %v, %d handled", err, handled.Load())
		}
		server.stop()
		client.Close()
		q.Close()
	})
}

func TestTheDeadlineOfARequestReachesTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		m := newClientWith(t, q, &rpc.ClientConfig{Timeout: -1})
		deadlines := make(chan time.Time, 1)
		server := serve(t, q, 7, func(ctx context.Context, _ []byte) ([]byte, error) {
			d, _ := ctx.Deadline()
			deadlines <- d
			return nil, nil
		}, nil)
		want := time.Now().Add(time.Hour)
		ctx, cancel := context.WithDeadline(t.Context(), want)
		defer cancel()
		if _, err := m.Request(ctx, 7, nil); err != nil {
			t.Fatal(err)
		}
		if d := <-deadlines; !d.Equal(want) {
			t.Errorf("got %v, want %v", d, want)
		}
		if _, err := m.Request(t.Context(), 7, nil); err != nil {
			t.Fatal(err)
		}
		if d := <-deadlines; !d.IsZero() {
			t.Errorf("got %v, want none", d)
		}
		m.Close()
		server.stop()
		q.Close()
	})
}
