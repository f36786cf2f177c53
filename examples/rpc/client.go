package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"ipcmq/mq/sysv"
	"ipcmq/mux/rpc"
)

const (
	callers = 4
	numbers = 50  // for each caller
	warm    = 100 // squares before the contract is signed
)

// calls sends requests to the servers, from several goroutines at once.
func calls(ctx context.Context, q *sysv.Queue, name string) error {
	client, err := rpc.NewClient(q, nil)
	if err != nil {
		return err
	}
	defer client.Close()
	if name == "client 2" { // is killed while it waits
		_, _, err := call(ctx, client, sign, "letter")
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	t := &tally{by: make(map[string]int), atWork: make(chan struct{})}
	var group sync.WaitGroup
	for c := range callers {
		group.Go(func() {
			if err := t.squares(ctx, client, c*numbers); err != nil {
				cancel(err)
			}
		})
	}
	select {
	case <-t.atWork:
	case <-ctx.Done():
	}
	signed, attempts, err := call(ctx, client, sign, "contract")
	if err != nil {
		cancel(err)
	}
	group.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}

	fmt.Printf("%s: %s, at attempt %d\n", name, signed, attempts)
	fmt.Printf("%s: %d squares: %d by server 1, %d by server 2, %d by server 3\n",
		name, callers*numbers, t.by["server 1"], t.by["server 2"], t.by["server 3"])

	// A request that was answered with an error is not tried again.
	_, _, err = call(ctx, client, square, "-1")
	var remote *rpc.RemoteError
	if !errors.As(err, &remote) || remote.Code != codeNegative {
		return fmt.Errorf("the square of -1: %v", err)
	}
	fmt.Printf("%s: no square of -1: %v\n", name, err)

	// Each attempt was answered, or was given up when its deadline passed.
	st := client.Stats()
	fmt.Printf("%s: sent %d, answered %d, not answered in time %d\n", name, st.Sent, st.Answered, st.Sent-st.Answered)
	return client.Shutdown(ctx)
}

// A tally counts the work of the callers.
type tally struct {
	mu     sync.Mutex
	by     map[string]int // squares, by server
	sum    int
	atWork chan struct{} // closed when sum reaches warm
}

// squares asks for squares, one after the other, and checks them.
func (t *tally) squares(ctx context.Context, client *rpc.Client, first int) error {
	for n := first; n < first+numbers; n++ {
		reply, _, err := call(ctx, client, square, strconv.Itoa(n))
		if err != nil {
			return err
		}
		result, server, _ := strings.Cut(reply, " by ")
		if result != strconv.Itoa(n*n) {
			return fmt.Errorf("the square of %d is not %s", n, result)
		}
		t.count(server)
	}
	return nil
}

func (t *tally) count(server string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.by[server]++
	if t.sum++; t.sum == warm {
		close(t.atWork)
	}
}

// call sends a request, and sends it again each time its deadline passes. The request
// may have been handled each time, so it must be idempotent.
func call(ctx context.Context, client *rpc.Client, t int64, text string) (reply string, attempts int, err error) {
	for {
		attempts++
		attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
		b, err := client.Request(attempt, t, []byte(text))
		cancel()
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return string(b), attempts, err
		}
	}
}
