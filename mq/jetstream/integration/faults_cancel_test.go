package integration_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
)

// cancels is how many calls the test cancels.
func cancels(t *testing.T) int64 {
	t.Helper()
	text := os.Getenv("IPCMQ_CANCELS")
	if text == "" {
		return 500
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		t.Fatalf("IPCMQ_CANCELS=%q is not a number of cancels", text)
	}
	return n
}

func TestCanceledCallsStrandNoMessage(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	for _, test := range []struct {
		name  string
		mode  jetstream.Mode
		taker func(*jetstream.Queue) taker
	}{
		{"Receive of leases", jetstream.LeaseMode, receiveOne},
		{"Receive of claims", jetstream.ClaimMode, receiveOne},
		{"LeaseBatch", jetstream.LeaseMode, leaseBatch},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			// A stranded message would stay so for longer than the test.
			q := openQueue(t, url, strconv.Itoa(rand.Int()), &jetstream.Config{Mode: test.mode, AckWait: ackWait(test.mode, time.Hour)})
			take := test.taker(q)
			strand(t, cancels(t), q, take, take, take)
		})
	}
}

// In a cluster, a message for a canceled call may be on its way from one server to
// another.
func TestCanceledCallsInAClusterStrandNoMessage(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3)
	for name, makes := range map[string]func(*jetstream.Queue) taker{"Receive": receiveOne, "LeaseBatch": leaseBatch} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := openQueue(t, c.URL(), "canceled-"+name, &jetstream.Config{Replicas: 3, AckWait: time.Hour})
			var takers []taker
			for _, n := range c.Nodes {
				takers = append(takers, makes(openQueue(t, n.URL, q.Name(), nil)))
			}
			strand(t, (cancels(t)+4)/5, q, takers...)
		})
	}
}

// A taker takes one message or more.
type taker func(context.Context) ([]mq.Message, error)

func receiveOne(q *jetstream.Queue) taker {
	return func(ctx context.Context) ([]mq.Message, error) {
		m, err := q.Receive(ctx)
		return []mq.Message{m}, err
	}
}

func leaseBatch(q *jetstream.Queue) taker {
	return func(ctx context.Context) (all []mq.Message, err error) {
		r, err := q.SelectLeases(mq.Any())
		if err != nil {
			return nil, err
		}
		leases, err := r.LeaseBatch(ctx, 3)
		for _, l := range leases {
			all = append(all, l.Message())
			err = errors.Join(err, l.Ack(context.WithoutCancel(ctx)))
		}
		return all, err
	}
}

// ending returns a context that ends after d, at random with a deadline or without.
func ending(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if rand.IntN(2) == 0 {
		return context.WithTimeout(parent, d)
	}
	ctx, cancel := context.WithCancel(parent)
	time.AfterFunc(d, cancel)
	return ctx, cancel
}

// strand cancels that many calls of takers at random moments, while messages come
// one at a time and in bursts.
func strand(t *testing.T, total int64, q *jetstream.Queue, all ...taker) {
	var (
		canceled atomic.Int64
		mu       sync.Mutex
		seen     = map[string]int{}
		sent     int
		sender   sync.WaitGroup
		takers   sync.WaitGroup
	)
	note := func(all []mq.Message) {
		mu.Lock()
		defer mu.Unlock()
		for _, m := range all {
			seen[string(m.Data)]++
		}
	}
	for _, take := range all {
		takers.Go(func() {
			for canceled.Load() < total {
				ctx, cancel := ending(t.Context(), rand.N(10*time.Millisecond))
				all, err := take(ctx)
				cancel()
				switch {
				case err == nil:
					note(all)
				case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
					canceled.Add(1)
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	ahead := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return sent-len(seen) > 5
	}
	sender.Go(func() {
		for canceled.Load() < total {
			// With messages in stock, no call would have to wait.
			if ahead() || rand.IntN(3) == 0 {
				<-time.After(rand.N(3 * time.Millisecond))
				continue
			}
			if err := q.Send(t.Context(), mq.Message{Type: 1, Data: fmt.Append(nil, sent)}); err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			sent++
			mu.Unlock()
		}
	})
	takers.Wait()
	sender.Wait()
	during := len(seen)
	for len(seen) < sent {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		all, err := all[0](ctx)
		cancel()
		if err != nil {
			t.Errorf("%d of %d messages are stranded: %v", sent-len(seen), sent, err)
			break
		}
		note(all)
	}
	for number, n := range seen {
		if n != 1 {
			t.Errorf("message %s came %d times", number, n)
		}
	}
	t.Logf("%d calls canceled; %d messages sent, %d of them taken beside the cancels", canceled.Load(), sent, during)
}
