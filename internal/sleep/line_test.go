package sleep_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"ipcmq/internal/sleep"
	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
)

func awaitWaiting(t *testing.T, c *sleep.Calls, n int) {
	t.Helper()
	testutil.Await(t, func() error {
		if got := c.Waiting(); got != n {
			return fmt.Errorf("%d wait, not %d", got, n)
		}
		return nil
	})
}

// A kernel is a queue without room, in Go: calls sleep until they are admitted.
type kernel struct {
	mu       sync.Mutex
	room     int
	sleepers []*sender // in the order of falling asleep
	admitted []int     // sizes, in order
	most     int       // sleepers at once
}

type sender struct {
	size   int
	answer chan sys.Errno
}

func (k *kernel) send(size int, d *sys.Deadline) sys.Errno {
	k.mu.Lock()
	if size <= k.room {
		k.room -= size
		k.admitted = append(k.admitted, size)
		k.mu.Unlock()
		return 0
	}
	s := &sender{size, make(chan sys.Errno, 1)}
	k.sleepers = append(k.sleepers, s)
	k.most = max(k.most, len(k.sleepers))
	k.mu.Unlock()
	tick := time.NewTicker(100 * time.Microsecond)
	defer tick.Stop()
	for {
		select {
		case errno := <-s.answer:
			return errno
		case <-tick.C: // a signal would end the call here
			if d.Expired() && k.withdraw(s) {
				return sys.EINTR
			}
		}
	}
}

func (k *kernel) withdraw(s *sender) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	i := slices.Index(k.sleepers, s)
	if i < 0 {
		return false
	}
	k.sleepers = slices.Delete(k.sleepers, i, i+1)
	return true
}

// makeRoom admits sleepers that fit, as msgrcv does.
func (k *kernel) makeRoom(n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.room += n
	k.sleepers = slices.DeleteFunc(k.sleepers, func(s *sender) bool {
		if s.size > k.room {
			return false
		}
		k.room -= s.size
		k.admitted = append(k.admitted, s.size)
		s.answer <- 0
		return true
	})
}

func (k *kernel) snapshot() (admitted []int, sleeping []int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.sleepers {
		sleeping = append(sleeping, s.size)
	}
	return slices.Clone(k.admitted), sleeping
}

func (k *kernel) awaitSleeping(t *testing.T, sizes ...int) {
	t.Helper()
	testutil.Await(t, func() error {
		if _, got := k.snapshot(); !slices.Equal(got, sizes) {
			return fmt.Errorf("those with %v sleep, not %v", got, sizes)
		}
		return nil
	})
}

var sending = sleep.Line{Send: true}

// A send that the kernel would accept is not blocked by larger ones.
func TestTheOldestAndTheSmallestSleep(t *testing.T) {
	var c sleep.Calls
	var k kernel
	var all sync.WaitGroup
	n := 0
	start := func(size int) {
		all.Go(func() {
			if errno := c.Sleep(t.Context(), sending, size, func(d *sys.Deadline) sys.Errno { return k.send(size, d) }); errno != 0 {
				t.Errorf("%d bytes: %v", size, errno)
			}
		})
		n++
		awaitWaiting(t, &c, n)
	}
	start(8000)
	start(8000)
	k.awaitSleeping(t, 8000)
	start(500)
	k.awaitSleeping(t, 8000, 500)
	start(700)
	start(100) // takes the turn of the one with 500
	k.awaitSleeping(t, 8000, 100)
	start(300)
	k.makeRoom(100)
	k.awaitSleeping(t, 8000, 300)
	k.makeRoom(299)
	k.makeRoom(1)
	k.awaitSleeping(t, 8000, 500)
	k.makeRoom(1200)
	testutil.Await(t, func() error {
		if got, _ := k.snapshot(); !slices.Equal(got, []int{100, 300, 500, 700}) {
			return fmt.Errorf("admitted %v", got)
		}
		return nil
	})
	k.makeRoom(16000)
	all.Wait()
	if k.most > 3 { // while one gives up its turn
		t.Errorf("%d slept at once", k.most)
	}
	awaitWaiting(t, &c, 0)
}

func TestCallsOfOneSizeAreServedInOrder(t *testing.T) {
	var c sleep.Calls
	var k kernel
	var all sync.WaitGroup
	var mu sync.Mutex
	var order []int
	const n = 200
	for i := range n {
		all.Go(func() {
			c.Sleep(t.Context(), sending, 10, func(d *sys.Deadline) sys.Errno {
				errno := k.send(10, d)
				mu.Lock()
				defer mu.Unlock()
				order = append(order, i)
				return errno
			})
		})
		awaitWaiting(t, &c, i+1)
	}
	for range n {
		k.makeRoom(10)
	}
	all.Wait()
	if !slices.IsSorted(order) || len(order) != n {
		t.Errorf("served in the order %v", order)
	}
	if k.most != 1 {
		t.Errorf("%d slept at once", k.most)
	}
}

// As many receive at once as can run, and each that ends calls the next.
func TestReceiversSleepAsManyAsCanRun(t *testing.T) {
	var c sleep.Calls
	var asleep, most atomic.Int64
	wake := make(chan sys.Errno)
	receive := func(*sys.Deadline) sys.Errno {
		n := asleep.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		defer asleep.Add(-1)
		return <-wake
	}
	const n = 50
	var all sync.WaitGroup
	for range n {
		all.Go(func() { c.Sleep(t.Context(), sleep.Line{Type: 1}, 0, receive) })
	}
	awaitWaiting(t, &c, n)
	for i := range n {
		want := int64(min(runtime.GOMAXPROCS(0), n-i))
		testutil.Await(t, func() error {
			if got := asleep.Load(); got != want {
				return fmt.Errorf("%d sleep, not %d", got, want)
			}
			return nil
		})
		wake <- 0
	}
	all.Wait()
	if got := most.Load(); got > int64(runtime.GOMAXPROCS(0)) {
		t.Errorf("%d slept at once", got)
	}
}

// Random sizes, cancels at any moment, and room that comes bit by bit: all
// calls that are not canceled are served, nothing hangs, and the counts agree.
func TestLinesUnderChurn(t *testing.T) {
	rounds := 30
	if testing.Short() {
		rounds = 3
	}
	for range rounds {
		var c sleep.Calls
		var k kernel
		var all sync.WaitGroup
		var served, canceled atomic.Int64
		const n = 300
		sum := 0
		for range n {
			size := 1 + rand.IntN(1000)
			ctx, cancel := context.Background(), func() {}
			if rand.IntN(3) == 0 {
				var end context.CancelFunc
				ctx, end = context.WithCancel(ctx)
				cancel = func() {
					time.AfterFunc(time.Duration(rand.IntN(3000))*time.Microsecond, end)
				}
			} else {
				sum += size
			}
			all.Go(func() {
				cancel()
				for {
					switch errno := c.Sleep(ctx, sending, size, func(d *sys.Deadline) sys.Errno { return k.send(size, d) }); {
					case errno == 0:
						served.Add(1)
						return
					case errno != sys.EINTR:
						t.Error(errno)
						return
					case ctx.Err() != nil:
						canceled.Add(1)
						return
					}
				}
			})
		}
		ended := make(chan struct{})
		go func() {
			all.Wait()
			close(ended)
		}()
		for more := true; more; {
			k.makeRoom(1000)
			select {
			case <-ended:
				more = false
			case <-time.After(50 * time.Microsecond):
			}
		}
		if got := served.Load() + canceled.Load(); got != n {
			t.Errorf("%d served, %d canceled, of %d", served.Load(), canceled.Load(), n)
		}
		if got := c.Waiting(); got != 0 {
			t.Errorf("%d wait still", got)
		}
	}
}

func TestCloseAndWakeAllReachThoseThatWaitForTheirTurn(t *testing.T) {
	for name, end := range map[string]func(*sleep.Calls){"Close": (*sleep.Calls).Close, "WakeAll": (*sleep.Calls).WakeAll} {
		var c sleep.Calls
		var k kernel
		answers := make(chan sys.Errno)
		const n = 1000
		for i := range n {
			go func() {
				answers <- c.Sleep(t.Context(), sending, n-i, func(d *sys.Deadline) sys.Errno { return k.send(n-i, d) })
			}()
		}
		awaitWaiting(t, &c, n)
		end(&c)
		for range n {
			if errno := <-answers; errno != sys.EINTR {
				t.Fatalf("%s: %v", name, errno)
			}
		}
		awaitWaiting(t, &c, 0)
	}
}

func TestBudget(t *testing.T) {
	files := func(pairs ...string) fstest.MapFS {
		m := fstest.MapFS{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
		}
		return m
	}
	const limits = "Limit                     Soft Limit           Hard Limit           Units\nMax processes             200                  31000                processes\n"
	for name, c := range map[string]struct {
		root      fstest.MapFS
		superuser bool
		want      int
	}{
		"nothing is known":  {files(), false, 8000},
		"RLIMIT_NPROC":      {files("proc/self/limits", limits), false, 100},
		"of the superuser":  {files("proc/self/limits", limits), true, 8000},
		"pids, version 2":   {files("proc/self/cgroup", "0::/a/b\n", "sys/fs/cgroup/a/b/pids.max", "max\n", "sys/fs/cgroup/a/pids.max", "60\n"), true, 30},
		"pids, version 1":   {files("proc/self/cgroup", "5:cpu:/x\n3:pids:/a\n", "sys/fs/cgroup/pids/a/pids.max", "10\n"), true, 5},
		"a limit of 1":      {files("proc/self/cgroup", "0::/\n", "sys/fs/cgroup/pids.max", "1\n"), true, 1},
		"nonsense":          {files("proc/self/cgroup", "x\n0:\n0::../..\n", "proc/self/limits", "Max processes\nMax processes -5\n"), false, 8000},
		"more than Go does": {files("proc/self/cgroup", "0::/\n", "sys/fs/cgroup/pids.max", "100000\n"), true, 8000},
	} {
		if got := sleep.BudgetOf(c.root, c.superuser); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if sleep.Budget() < 1 {
		t.Errorf("%d threads may sleep", sleep.Budget())
	}
}

// With the maximum number of threads asleep, a call is refused and takes
// nothing.
func TestNoMoreThreadsSleepThanMay(t *testing.T) {
	defer sleep.SetBudget(3)()
	wake := make(chan sys.Errno)
	var c sleep.Calls
	answers := make(chan sys.Errno)
	for i := range 5 { // each in its own line
		go func() {
			answers <- c.Sleep(t.Context(), sleep.Line{Type: int64(i)}, 0, func(*sys.Deadline) sys.Errno { return <-wake })
		}()
	}
	for range 2 {
		if errno := <-answers; errno != sleep.NoThread {
			t.Errorf("got %v", errno)
		}
	}
	for range 3 {
		wake <- 0
		if errno := <-answers; errno != 0 {
			t.Errorf("got %v", errno)
		}
	}
	// One line has a thread for any number of calls.
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if errno := c.Sleep(t.Context(), sleep.Line{Type: 1}, 0, func(*sys.Deadline) sys.Errno { return <-wake }); errno != 0 {
				t.Error(errno)
			}
		})
	}
	for range 100 {
		wake <- 0
	}
	all.Wait()
}
