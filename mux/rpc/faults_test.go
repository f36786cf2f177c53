package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mux/rpc"
)

func TestAServerContinuesAfterAPanic(t *testing.T) {
	q := newQueue(t, nil)
	m := newClient(t, q)
	serve(t, q, 7, func(_ context.Context, request []byte) ([]byte, error) {
		if len(request) == 0 {
			return request[:cap(request)+1], nil // out of range
		}
		return request, nil
	}, &rpc.Config{Concurrency: 1})
	for range 50 {
		var remote *rpc.RemoteError
		if _, err := m.Request(t.Context(), 7, nil); !errors.As(err, &remote) || remote.Code != rpc.CodePanicked {
			t.Fatalf("got %v", err)
		}
		if got, err := m.Request(t.Context(), 7, []byte("x")); err != nil || string(got) != "x" {
			t.Fatalf("got %q, %v", got, err)
		}
	}
}

// TestAHandlerThatBlocksLeavesRequestsToOtherServers has one server whose
// handlers never look at their contexts.
func TestAHandlerThatBlocksLeavesRequestsToOtherServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		client := newClient(t, q)
		forever := make(chan struct{})
		stuck := serve(t, q, 7, func(context.Context, []byte) ([]byte, error) {
			<-forever
			return nil, nil
		}, &rpc.Config{Concurrency: 2})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var callers sync.WaitGroup
		for range 2 { // as many as there are handlers
			callers.Go(func() {
				if _, err := client.Request(ctx, 7, nil); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
			})
		}
		synctest.Wait()
		good := serve(t, q, 7, upper, nil)
		for range 20 {
			if got, err := client.Request(t.Context(), 7, []byte("x")); err != nil || string(got) != "X" {
				t.Errorf("got %q, %v", got, err)
			}
		}
		callers.Wait()
		close(forever)
		synctest.Wait()
		if st := stuck.counts(); st != (counts{handled: 2, expired: 2}) { // late replies
			t.Errorf("%+v", st)
		}
		stuck.stop()
		good.stop()
		client.Close()
		q.Close()
	})
}

func TestSeveralServersShareTheLoad(t *testing.T) {
	q := newQueue(t, nil)
	const servers = 4
	arrived, goOn := make(chan int, servers), make(chan struct{})
	for i := range servers {
		serve(t, q, 7, func(context.Context, []byte) ([]byte, error) {
			arrived <- i
			<-goOn
			return nil, nil
		}, &rpc.Config{Concurrency: 1})
	}
	client := newClient(t, q)
	var callers sync.WaitGroup
	// Each server handles one and takes one more: so all have one at least.
	for range 2 * servers {
		callers.Go(func() {
			if _, err := client.Request(t.Context(), 7, nil); err != nil {
				t.Error(err)
			}
		})
	}
	var busy []int
	for range servers {
		busy = append(busy, <-arrived)
	}
	slices.Sort(busy)
	if !slices.Equal(busy, []int{0, 1, 2, 3}) {
		t.Errorf("busy at the same time: %v", busy)
	}
	go func() {
		for range servers {
			<-arrived
		}
	}()
	close(goOn)
	callers.Wait()
}

func TestSeveralClientsShareAServer(t *testing.T) {
	q := newQueue(t, nil)
	server := serve(t, q, 7, upper, nil)
	var clients sync.WaitGroup
	for c := range 10 {
		m := newClient(t, q)
		clients.Go(func() {
			for i := range 100 {
				want := fmt.Sprintf("C%d-%d", c, i)
				if got, err := m.Request(t.Context(), 7, []byte(strings.ToLower(want))); err != nil || string(got) != want {
					t.Errorf("got %q, %v, want %s", got, err, want)
					return
				}
			}
			if st := m.Stats(); st != (rpc.ClientStats{Sent: 100, Answered: 100}) {
				t.Errorf("%+v", st)
			}
		})
	}
	clients.Wait()
	server.awaitCounts(t, counts{handled: 1000})
}

func TestRequestsOverPOSIXQueuesHaveTypeZero(t *testing.T) {
	q := newPOSIXQueue(t)
	if err := rpc.Handle(t.Context(), q, 7, upper, nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Handle of type 7: %v", err)
	}
	client := newClient(t, q)
	server := serve(t, q, 0, upper, nil)
	for i := range 50 {
		want := fmt.Sprintf("HELLO %d", i)
		if got, err := client.Request(t.Context(), 0, []byte(strings.ToLower(want))); err != nil || string(got) != want {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	if _, err := client.Request(t.Context(), 0, make([]byte, 600)); !errors.Is(err, mq.ErrTooLarge) {
		t.Errorf("600 bytes: %v", err)
	}
	if err := client.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := server.stop(); err != nil {
		t.Error(err)
	}
}

// TestOnlyWhatIsHandledIsTaken lets 100 requests wait before a server begins,
// and checks how many it takes while its handlers are busy.
func TestOnlyWhatIsHandledIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		for range 100 {
			send(t, q, 7, string(rpc.NewHeader("nobody")))
		}
		server := serve(t, q, 7, func(ctx context.Context, _ []byte) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, &rpc.Config{Concurrency: 2, Drain: time.Second})
		synctest.Wait()
		if left := q.Stat().Messages; left != 98 {
			t.Errorf("%d are left", left)
		}
		server.stop()
		if left := q.Stat().Messages; left != 98 {
			t.Errorf("%d are left after the end", left)
		}
		q.Close()
	})
}

// A handler that ends its goroutine, like testing.T.FailNow, does not cost a
// worker, and its client gets an error.
func TestAHandlerThatEndsItsGoroutineIsReplaced(t *testing.T) {
	q := newQueue(t, nil)
	client := newClient(t, q)
	reported := make(chan error, 50)
	server := serve(t, q, 7, func(_ context.Context, request []byte) ([]byte, error) {
		if len(request) == 0 {
			runtime.Goexit()
		}
		return request, nil
	}, &rpc.Config{Concurrency: 2, OnError: func(_ mq.Message, err error) { reported <- err }})
	for range 50 {
		var remote *rpc.RemoteError
		_, err := client.Request(t.Context(), 7, nil)
		if !errors.As(err, &remote) || *remote != (rpc.RemoteError{Code: rpc.CodeNoAnswer, Text: "handler ended without an answer"}) {
			t.Fatalf("got %v", err)
		}
		if got, err := client.Request(t.Context(), 7, []byte("x")); err != nil || string(got) != "x" {
			t.Fatalf("got %q, %v", got, err)
		}
		if err := <-reported; !errors.Is(err, rpc.ErrNoAnswer) {
			t.Errorf("reported %v", err)
		}
	}
	if err := server.stop(); err != nil {
		t.Error(err)
	}
	if st := server.counts(); st != (counts{handled: 100, exited: 50}) {
		t.Errorf("%+v", st)
	}
}

// Handlers that never return, although their requests have long expired, do not
// cost workers.
func TestHandlersThatNeverReturnAreReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		client := newClient(t, q)
		forever := make(chan struct{})
		var mu sync.Mutex
		reported := map[error]int{}
		server := serve(t, q, 7, func(_ context.Context, request []byte) ([]byte, error) {
			if string(request) == "block" {
				<-forever
				runtime.Goexit()
			}
			return request, nil
		}, &rpc.Config{Concurrency: 2, Drain: time.Minute, OnError: func(_ mq.Message, err error) {
			mu.Lock()
			defer mu.Unlock()
			for _, sentinel := range []error{rpc.ErrOverrun, rpc.ErrExpired, rpc.ErrNoAnswer} {
				if errors.Is(err, sentinel) {
					reported[sentinel]++
				}
			}
		}})
		const n = 10
		for range n {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := client.Request(ctx, 7, []byte("block")); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			cancel()
			<-time.After(time.Second)
		}
		synctest.Wait()
		for range 5 {
			if got, err := client.Request(t.Context(), 7, []byte("x")); err != nil || string(got) != "x" {
				t.Fatalf("got %q, %v", got, err)
			}
		}
		if st := server.counts(); st != (counts{handled: 5, overrun: n}) || reported[rpc.ErrOverrun] != n {
			t.Errorf("%+v, reported %v", st, reported)
		}
		began := time.Now()
		if err := server.stop(); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "the handlers of 10 have not returned") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took != time.Second { // nobody waits longer for them
			t.Errorf("the end took %v", took)
		}
		close(forever)
		synctest.Wait()
		if st := server.counts(); st != (counts{handled: 5 + n, exited: n, overrun: n, expired: n}) {
			t.Errorf("%+v", st)
		}
		client.Close()
		q.Close()
	})
}
