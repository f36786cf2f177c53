package sysv_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

// many returns how many goroutines wait at once; the race detector has a limit.
func many() int {
	if underRace() {
		return 5000
	}
	return 20000
}

// expectFewThreads fails the test if waiting has taken more than a few threads.
func expectFewThreads(t *testing.T, before int) {
	t.Helper()
	if n := len(threads(t)); n > before+20 {
		t.Errorf("%d threads, %d before", n, before)
	}
}

func TestManyWaitWithFewThreads(t *testing.T) {
	full, empty := newQueue(t, &sysv.Config{Capacity: 8}), newQueue(t, nil)
	send(t, full, 10000000)
	n := many() / 2
	before := len(threads(t))
	ctx, cancel := context.WithCancel(t.Context())
	errs := make(chan error)
	for i := range n {
		go func() {
			_, err := empty.Receive(ctx)
			errs <- err
		}()
		go func() { errs <- full.Send(ctx, mq.Message{Type: 1, Data: make([]byte, 1+i%8)}) }()
	}
	awaitWaiting(t, empty, n)
	awaitWaiting(t, full, n)
	expectFewThreads(t, before)
	start := time.Now()
	cancel()
	for range 2 * n {
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
	}
	t.Logf("%d of each: %d threads, %d before; canceled in %v", n, len(threads(t)), before, time.Since(start))
	if n := waiting(t, full); n != 1 {
		t.Errorf("%d messages in the queue", n)
	}
}

// Sends of the same size are served in the order of their calls; one that is
// canceled, asleep or not, does not hold up others.
func TestManySendersAreServedInOrder(t *testing.T) {
	q := newQueue(t, &sysv.Config{Capacity: 8})
	send(t, q, 10000000)
	var all sync.WaitGroup
	const n = 300
	canceled := map[uint64]context.CancelFunc{}
	for i := range uint64(n) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if i%7 == 0 {
			canceled[i] = cancel
		}
		all.Go(func() {
			err := q.Send(ctx, mq.Message{Type: 1, Data: binary.LittleEndian.AppendUint64(nil, i)})
			if (err != nil) != (i%7 == 0) {
				t.Errorf("message %d: %v", i, err)
			}
		})
		awaitWaiting(t, q, int(i)+1)
	}
	for _, cancel := range canceled {
		cancel()
	}
	awaitWaiting(t, q, n-len(canceled))
	if m, err := q.Receive(t.Context()); err != nil || len(m.Data) != 8 {
		t.Fatal(m, err)
	}
	for i := range uint64(n) {
		if i%7 == 0 {
			continue
		}
		m, err := q.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := binary.LittleEndian.Uint64(m.Data); got != i {
			t.Fatalf("message %d came when %d was due", got, i)
		}
	}
	all.Wait()
}

// No call waits while the kernel would take its message: whenever all is quiet
// the queue has less room than the smallest waiting message.
func TestNoSendWaitsWhileItsMessageFits(t *testing.T) {
	const capacity = 16384
	q := newQueue(t, nil)
	var all sync.WaitGroup
	var mu sync.Mutex
	pending := map[int]int{} // sizes that wait
	sizes := []int{8192, 100, 8192, 100, 3000, 100, 1, 5000, 8192}
	n := 0
	for range 40 {
		size := sizes[rand.IntN(len(sizes))]
		mu.Lock()
		pending[size]++
		mu.Unlock()
		n++
		all.Go(func() {
			if err := q.Send(t.Context(), mq.Message{Type: 1, Data: make([]byte, size)}); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			pending[size]--
		})
	}
	quiet := func() error {
		st, err := q.Stat()
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		sum := 0
		for size, count := range pending {
			sum += count
			if count > 0 && int64(size) <= capacity-st.Bytes {
				return errors.New("a message that would fit waits")
			}
		}
		if got := sysv.Waiting(q); got != sum {
			return errors.New("not all wait yet")
		}
		return nil
	}
	for range n {
		testutil.Await(t, quiet)
		if _, err := q.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	all.Wait()
}

// A crowd on both sides of one queue, through which every message goes once.
func TestACrowdLosesNothing(t *testing.T) {
	q := newQueue(t, nil)
	n := many() / 4
	before := len(threads(t))
	var all sync.WaitGroup
	var mu sync.Mutex
	got := make(map[uint64]int, n)
	for i := range uint64(n) {
		all.Go(func() {
			size := 8 + int(i%500)
			data := binary.LittleEndian.AppendUint64(make([]byte, 0, size), i)[:size]
			if err := q.Send(t.Context(), mq.Message{Type: 1, Data: data}); err != nil {
				t.Error(err)
			}
		})
		all.Go(func() {
			m, err := q.Receive(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			got[binary.LittleEndian.Uint64(m.Data)]++
		})
	}
	all.Wait()
	expectFewThreads(t, before)
	for i := range uint64(n) {
		if got[i] != 1 {
			t.Fatalf("message %d came %d times", i, got[i])
		}
	}
}

// A process that may have few threads gets an error instead of crashing.
func TestTooManyThreadsAreRefused(t *testing.T) {
	testutil.NeedRoot(t) // to become another user
	testutil.NotEmulated(t, "the emulator has additional threads")
	cmd := testutil.Command(t, "wait on many handles")
	prlimit, err := exec.LookPath("prlimit")
	if err != nil {
		testutil.Lacking(t, "prlimit")
	}
	cmd.Args = append([]string{prlimit, "--nproc=60", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = prlimit
	if out, err := cmd.Output(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func init() {
	roles["wait on many handles"] = func() {
		err := sys.Become(1<<20 + os.Getppid()) // a user with no other processes, since the limit is per user
		expect(err == nil, "%v", err)
		ctx, cancel := context.WithCancel(context.Background())
		errs := make(chan error)
		const handles, may = 50, 30
		for range handles {
			q, err := sysv.Open(sysv.Private, nil)
			expect(err == nil, "%v", err)
			defer q.Remove()
			go func() {
				_, err := q.Receive(ctx)
				errs <- err
			}()
		}
		for range handles - may {
			err := <-errs
			expect(errors.Is(err, mq.ErrTooManyThreads) && strings.Contains(err.Error(), "30 threads of this process wait"), "%v", err)
		}
		cancel()
		for range may {
			err := <-errs
			expect(errors.Is(err, context.Canceled), "%v", err)
		}
	}
}
