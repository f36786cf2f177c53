package sysv_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

// A cancelAt is a context that ends at a random moment, and reports how long
// ago.
type cancelAt struct {
	context.Context
	timer *time.Timer
	at    atomic.Int64
}

var began = time.Now()

func newCancelAt(parent context.Context) *cancelAt {
	ctx, cancel := context.WithCancel(parent)
	c := &cancelAt{Context: ctx}
	c.timer = time.AfterFunc(rand.N(300*time.Microsecond), func() {
		c.at.Store(int64(time.Since(began)))
		cancel()
	})
	return c
}

func (c *cancelAt) latency() time.Duration { return time.Since(began) - time.Duration(c.at.Load()) }

// logLatencies prints the distribution of the time from cancel to return.
func logLatencies(t *testing.T, l []time.Duration) {
	t.Helper()
	slices.Sort(l)
	at := func(permille int) time.Duration { return l[(len(l)-1)*permille/1000].Round(100 * time.Nanosecond) }
	t.Logf("%d cancels: p50 %v, p99 %v, p99.9 %v, max %v", len(l), at(500), at(990), at(999), at(1000))
}

func TestCancelLosesNothing(t *testing.T) {
	q := newQueue(t, &sysv.Config{Capacity: 1000})
	cmd := testutil.Command(t, "numbers", strconv.Itoa(q.ID()))
	stop, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var (
		total     = cancels(t)
		canceled  atomic.Int64
		received  [2][]uint64 // by receiver
		latencies [2][]time.Duration
		receivers sync.WaitGroup
	)
	for i := range received {
		receivers.Go(func() {
			for canceled.Load() < int64(total) {
				ctx := newCancelAt(t.Context())
				for {
					m, err := q.Receive(ctx)
					if errors.Is(err, context.Canceled) {
						latencies[i] = append(latencies[i], ctx.latency())
						canceled.Add(1)
						break
					}
					if err != nil {
						t.Error(err)
						return
					}
					received[i] = append(received[i], binary.NativeEndian.Uint64(m.Data))
				}
			}
		})
	}
	receivers.Wait()
	stop.Close()
	var rest []uint64 // until the message of type 2, which says how many were sent
	for {
		m, err := q.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n := binary.NativeEndian.Uint64(m.Data)
		if m.Type == 1 {
			rest = append(rest, n)
			continue
		}
		checkNumbers(t, n, received[0], received[1], rest)
		t.Logf("%d messages: %d, %d and at the end %d received", n, len(received[0]), len(received[1]), len(rest))
		break
	}
	logLatencies(t, slices.Concat(latencies[0], latencies[1]))
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// checkNumbers fails the test unless each list is in order and together they
// hold each number below n once.
func checkNumbers(t *testing.T, n uint64, lists ...[]uint64) {
	t.Helper()
	seen := make([]bool, n)
	count := uint64(0)
	for _, list := range lists {
		if !slices.IsSorted(list) {
			t.Error("the messages that one receiver took are not in order")
		}
		for _, k := range list {
			if k >= n || seen[k] {
				t.Fatalf("message %d of %d came twice, or was never sent", k, n)
			}
			seen[k] = true
			count++
		}
	}
	if count != n {
		t.Errorf("%d of %d messages are lost", n-count, n)
	}
}

func init() {
	// numbers sends numbered messages in bursts, with pauses in which receivers
	// fall asleep, until its standard input ends; then their number as type 2.
	roles["numbers"] = func() {
		q, err := sysv.OpenID(number(1), nil)
		expect(err == nil, "%v", err)
		end := make(chan struct{})
		go func() {
			io.Copy(io.Discard, os.Stdin)
			close(end)
		}()
		var n uint64
		for open := true; open; {
			for range rand.N(30) {
				err := q.Send(context.Background(), mq.Message{Type: 1, Data: binary.NativeEndian.AppendUint64(nil, n)})
				expect(err == nil, "%v", err)
				n++
			}
			select {
			case <-end:
				open = false
			case <-time.After(rand.N(200 * time.Microsecond)):
			}
		}
		err = q.Send(context.Background(), mq.Message{Type: 2, Data: binary.NativeEndian.AppendUint64(nil, n)})
		expect(err == nil, "%v", err)
	}
}

func TestCanceledSendsSendNothingAndOthersOnce(t *testing.T) {
	q := newQueue(t, &sysv.Config{Capacity: 80}) // ten messages
	var (
		total     = int64(cancels(t))
		canceled  atomic.Int64
		next      atomic.Uint64
		mu        sync.Mutex
		sent      = map[uint64]bool{} // each number that was tried, and whether Send returned nil
		latencies []time.Duration
		senders   sync.WaitGroup
	)
	for range 2 {
		senders.Go(func() {
			for canceled.Load() < total {
				ctx := newCancelAt(t.Context())
				for {
					n := next.Add(1)
					err := q.Send(ctx, mq.Message{Type: 1, Data: binary.NativeEndian.AppendUint64(nil, n)})
					if err != nil && !errors.Is(err, context.Canceled) {
						t.Error(err)
						return
					}
					mu.Lock()
					sent[n] = err == nil
					if err != nil {
						latencies = append(latencies, ctx.latency())
					}
					mu.Unlock()
					if err != nil {
						canceled.Add(1)
						break
					}
				}
			}
		})
	}
	received := map[uint64]int{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			m, err := q.Receive(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			if m.Type == 2 {
				return
			}
			received[binary.NativeEndian.Uint64(m.Data)]++
			if len(received)%50 == 0 {
				<-time.After(rand.N(300 * time.Microsecond)) // meanwhile, senders fall asleep
			}
		}
	}()
	senders.Wait()
	if err := q.Send(t.Context(), mq.Message{Type: 2}); err != nil {
		t.Fatal(err)
	}
	<-done
	for n, ok := range sent {
		if want := map[bool]int{true: 1}[ok]; received[n] != want {
			t.Errorf("message %d, Send succeeded %v, was received %d times", n, ok, received[n])
		}
		delete(received, n)
	}
	if len(received) > 0 {
		t.Errorf("never sent: %v", received)
	}
	logLatencies(t, latencies)
}

func TestCancelingManyAtOnce(t *testing.T) {
	const n = 100
	q := newQueue(t, nil)
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		errs := make(chan error)
		for range n {
			go func() { _, err := q.Receive(ctx); errs <- err }()
		}
		awaitWaiting(t, q, n)
		cancel()
		for range n {
			if err := <-errs; !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		}
	}
}
