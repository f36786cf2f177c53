package sysv_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime/pprof"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

func TestCanceledReceiveTakesNothing(t *testing.T) {
	q := newQueue(t, nil)
	send(t, q, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		if m, err := q.Receive(ctx); !errors.Is(err, context.Canceled) {
			t.Fatalf("%+v, %v", m, err)
		}
	}
	if got := drain(t, q); !slices.Equal(got, []int64{1}) {
		t.Errorf("left %v", got)
	}
}

func TestCanceledSendSendsNothing(t *testing.T) {
	q := newQueue(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.Send(ctx, mq.Message{Type: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if n := waiting(t, q); n != 0 {
		t.Errorf("%d messages", n)
	}
}

func TestACancelEndsOneCallAndLeavesTheQueueUsable(t *testing.T) {
	q := newQueue(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	canceled, kept := make(chan error), make(chan error)
	go func() { _, err := q.Receive(ctx); canceled <- err }()
	go func() { _, err := q.Receive(t.Context()); kept <- err }()
	awaitReceivers(t, os.Getpid(), 2)
	cancel()
	if err := <-canceled; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	awaitReceivers(t, os.Getpid(), 1)
	send(t, q, 1)
	if err := <-kept; err != nil {
		t.Errorf("the other receiver: %v", err)
	}
}

func TestDeadlinesEndBlockedCalls(t *testing.T) {
	q := newQueue(t, &sysv.Config{Capacity: 1})
	for _, wait := range []time.Duration{-time.Second, 0, time.Microsecond, 5 * time.Millisecond} {
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		_, err := q.Receive(ctx)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) < wait {
			t.Errorf("%v: %v after %v", wait, err, time.Since(start))
		}
	}
}

func TestACauseMatchesBesideTheContextsError(t *testing.T) {
	q := newQueue(t, &sysv.Config{Capacity: 1})
	send(t, q, 1)
	r, err := q.Select(mq.Type(9))
	if err != nil {
		t.Fatal(err)
	}
	cause := errors.New("the user has pressed stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	errs := make(chan error)
	go func() { _, err := r.Receive(ctx); errs <- err }()
	go func() { errs <- q.Send(ctx, mq.Message{Type: 1, Data: []byte("x")}) }()
	awaitReceivers(t, os.Getpid(), 1)
	awaitSenders(t, os.Getpid(), 1)
	cancel(cause)
	for range 2 {
		err := <-errs
		if !errors.Is(err, context.Canceled) || !errors.Is(err, cause) {
			t.Errorf("got %v", err)
		}
	}
	_, err = r.Receive(ctx)
	if want := "mq: receive " + q.String() + ": context canceled: the user has pressed stop"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestSignalsOfOthersDoNotEndACall(t *testing.T) {
	testutil.NotEmulated(t, "the emulator has threads of its own, which a signal would kill")
	q := newQueue(t, nil)
	got := make(chan error)
	go func() { _, err := q.Receive(context.Background()); got <- err }()
	for range 200 {
		awaitReceivers(t, os.Getpid(), 1)
		for _, tid := range threads(t) {
			sys.Kick(tid)
		}
	}
	select {
	case err := <-got:
		t.Fatalf("got %v", err)
	default:
	}
	send(t, q, 1)
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// threads returns the ids of the threads of this process.
func threads(t *testing.T) (tids []int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		tid, err := strconv.Atoi(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		tids = append(tids, tid)
	}
	return tids
}

func TestProfilingSignalsDoNotDisturb(t *testing.T) {
	if err := pprof.StartCPUProfile(io.Discard); err != nil {
		t.Fatal(err)
	}
	defer pprof.StopCPUProfile()
	q, empty := newQueue(t, &sysv.Config{Capacity: 64}), newQueue(t, nil)
	const n = 20_000
	var all sync.WaitGroup
	all.Go(func() {
		for i := range uint64(n) {
			data := binary.NativeEndian.AppendUint64(nil, i)
			if err := q.Send(t.Context(), mq.Message{Type: 1, Data: data}); err != nil {
				t.Error(err)
			}
		}
	})
	all.Go(func() {
		for i := range uint64(n) {
			m, err := q.Receive(t.Context())
			if err != nil || binary.NativeEndian.Uint64(m.Data) != i {
				t.Errorf("message %d: %v, %v", i, m.Data, err)
				return
			}
		}
	})
	all.Go(func() {
		for range 500 {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Microsecond)
			if _, err := empty.Receive(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			cancel()
		}
	})
	all.Wait()
}

func TestCancelWorksInAProgramThatIgnoresSIGURG(t *testing.T) {
	for _, when := range []string{"before", "during"} {
		t.Run(when+" the call", func(t *testing.T) { child(t, "ignoring", when) })
	}
	t.Run("from its start", func(t *testing.T) {
		sh, err := exec.LookPath("sh")
		if err != nil {
			testutil.Lacking(t, "sh")
		}
		cmd := testutil.Command(t, "ignoring", "never")
		cmd.Args = append([]string{"sh", "-c", `trap '' URG && exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
		cmd.Path = sh
		if out, err := cmd.Output(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
}

func init() {
	roles["ignoring"] = func() {
		q, err := sysv.Open(sysv.Private, &sysv.Config{Capacity: 1})
		expect(err == nil, "%v", err)
		defer q.Remove()
		expect(q.TrySend(mq.Message{Type: 1}) == nil, "cannot send")
		r, err := q.Select(mq.Type(9))
		expect(err == nil, "%v", err)
		for name, call := range map[string]func(context.Context) error{
			"receive": func(ctx context.Context) error { _, err := r.Receive(ctx); return err },
			"send":    func(ctx context.Context) error { return q.Send(ctx, mq.Message{Type: 1}) },
		} {
			if os.Args[1] == "before" {
				sys.IgnoreKicks()
			}
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error)
			go func() { done <- call(ctx) }()
			for testutil.Asleep(os.Getpid(), "do_msgrcv", "do_msgsnd", "ksys_msgrcv", "ksys_msgsnd") == 0 {
			}
			if os.Args[1] == "during" {
				sys.IgnoreKicks()
			}
			cancel()
			err := <-done
			expect(errors.Is(err, context.Canceled), "%s: %v", name, err)
		}
		if os.Args[1] == "before" {
			sys.IgnoreKicks()
		}
		done := make(chan error)
		go func() { _, err := r.Receive(context.Background()); done <- err }()
		go func() { done <- q.Send(context.Background(), mq.Message{Type: 1}) }()
		err = q.Set(func(s *sysv.Settings) { s.Capacity = 1 })
		expect(err == nil, "set: %v", err)
		q.Close()
		for range 2 {
			err := <-done
			expect(errors.Is(err, mq.ErrClosed), "%v", err)
		}
		q, err = sysv.OpenID(q.ID(), nil)
		expect(err == nil, "%v", err)
		expect(q.Remove() == nil, "cannot remove")
	}
}

// cancels is how many calls the tests with random moments cancel.
func cancels(t *testing.T) int {
	t.Helper()
	text := os.Getenv("IPCMQ_CANCELS")
	if text == "" {
		return 3000
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("IPCMQ_CANCELS=%q is not a number of cancels", text)
	}
	return n
}

// A cancelAt is a context that ends at a random moment, and tells how long ago.
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
	var rest []uint64 // until the number of those that were sent, as type 2
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
		t.Logf("%d messages: %d, %d and in the end %d received", n, len(received[0]), len(received[1]), len(rest))
		break
	}
	logLatencies(t, slices.Concat(latencies[0], latencies[1]))
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// checkNumbers fails the test unless the lists are each in order and hold
// together each number below n once.
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
				<-time.After(rand.N(300 * time.Microsecond)) // in which senders fall asleep
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
		awaitReceivers(t, os.Getpid(), n)
		cancel()
		for range n {
			if err := <-errs; !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		}
	}
}
