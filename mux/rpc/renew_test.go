package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
	"ipcmq/mux/rpc"
)

// removeInboxes removes all inboxes of either kind, like ipcrm(1) and rm(1), and
// returns how many there were.
func removeInboxes(t *testing.T) (n int) {
	t.Helper()
	testutil.NeedNamespace(t)
	for s, err := range sysv.Queues() {
		if err != nil {
			t.Fatal(err)
		}
		if s.Mode&0o111 == 0 {
			continue
		}
		q, err := sysv.OpenID(s.ID, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Remove(); err != nil {
			t.Error(err)
		}
		q.Close()
		n++
	}
	for s, err := range posix.Queues() {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(s.Name, "/ipcmq-inbox-") {
			if err := posix.Unlink(s.Name); err != nil {
				t.Error(err)
			}
			n++
		}
	}
	return n
}

// A removed inbox is created again, and calls that waited for a reply in it fail
// immediately.
func TestARemovedInboxIsCreatedAgain(t *testing.T) {
	testutil.NeedMqueue(t)
	for name, c := range map[string]struct {
		queue mq.Exchange
		typ   int64
	}{"System V": {newQueue(t, nil), 7}, "POSIX": {newPOSIXQueue(t), 0}} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, c.queue)
			arrived, goOn := make(chan bool), make(chan bool)
			server := serve(t, c.queue, c.typ, func(_ context.Context, request []byte) ([]byte, error) {
				if string(request) == "slow" {
					arrived <- true
					<-goOn
				}
				return request, nil
			}, nil)
			ask := func() {
				t.Helper()
				if got, err := client.Request(t.Context(), c.typ, []byte("x")); err != nil || string(got) != "x" {
					t.Errorf("got %q, %v", got, err)
				}
			}
			for range 5 { // while nothing is in progress
				ask()
				if n := removeInboxes(t); n != 1 {
					t.Fatalf("%d inboxes", n)
				}
			}
			ask()
			var callers sync.WaitGroup
			const n = 3
			for range n {
				callers.Go(func() {
					_, err := client.Request(t.Context(), c.typ, []byte("slow"))
					want := fmt.Sprintf("mq: request of type %d in ", c.typ)
					if !errors.Is(err, rpc.ErrReplyLost) || errors.Is(err, mq.ErrRemoved) || !strings.HasPrefix(err.Error(), want) || !strings.HasSuffix(err.Error(), "the request may have been handled") {
						t.Errorf("under way: %v", err)
					}
				})
				<-arrived
			}
			removeInboxes(t)
			callers.Wait()
			ask()
			close(goOn)
			server.awaitCounts(t, counts{handled: 7 + n, lost: n})
			if st := client.Stats(); st != (rpc.ClientStats{Sent: 7 + n, Answered: 7}) {
				t.Errorf("%+v", st)
			}
			if err := client.Close(); err != nil {
				t.Error(err)
			}
			if n := removeInboxes(t); n != 0 {
				t.Errorf("%d inboxes are left", n)
			}
		})
	}
}

// While the inbox keeps being removed, each request is answered or fails with
// ErrReplyLost.
func TestRequestsWhileInboxesAreRemoved(t *testing.T) {
	testutil.NeedMqueue(t)
	q := newQueue(t, nil)
	client := newClient(t, q)
	serve(t, q, 7, upper, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	answered, lost := 0, 0
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for ctx.Err() == nil {
				got, err := client.Request(t.Context(), 7, []byte("x"))
				mu.Lock()
				switch {
				case err == nil && string(got) == "X":
					answered++
				case errors.Is(err, rpc.ErrReplyLost):
					lost++
				default:
					t.Errorf("got %q, %v", got, err)
				}
				mu.Unlock()
			}
		})
	}
	removed := 0
	for removed < fromEnv(t, "IPCMQ_REMOVALS", 100) {
		for s := range sysv.Queues() {
			if s.Mode&0o111 == 0 {
				continue
			}
			if in, err := sysv.OpenID(s.ID, nil); err == nil {
				if in.Remove() == nil {
					removed++
				}
				in.Close()
			}
		}
		mu.Lock()
		before := answered
		mu.Unlock()
		testutil.Await(t, func() error {
			mu.Lock()
			defer mu.Unlock()
			if answered == before {
				return fmt.Errorf("%d answered, as before; %d lost", answered, lost)
			}
			return nil
		})
	}
	cancel()
	callers.Wait()
	t.Logf("%d answered, %d lost, %d inboxes removed", answered, lost, removed)
	if answered == 0 || lost == 0 {
		t.Errorf("%d answered, %d lost", answered, lost)
	}
	client.Close()
	if n := removeInboxes(t); n != 0 {
		t.Errorf("%d inboxes are left", n)
	}
}
