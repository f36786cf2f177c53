package posix_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"testing"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/posix"
)

// A counter is a context that counts the calls of Done, which begin a wait.
type counter struct {
	context.Context
	waiting *sync.WaitGroup
	once    sync.Once
}

func (c *counter) Done() <-chan struct{} {
	c.once.Do(c.waiting.Done)
	return c.Context.Done()
}

// waiting starts n receives spread over the queues and returns when all are
// about to wait.
func waiting(ctx context.Context, queues []*posix.Queue, n int) (errs chan error) {
	errs = make(chan error, n)
	var begun sync.WaitGroup
	begun.Add(n)
	for i := range n {
		go func() {
			_, err := queues[i%len(queues)].Receive(&counter{Context: ctx, waiting: &begun})
			errs <- err
		}()
	}
	begun.Wait()
	return errs
}

func threads(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestAThousandWaitingReceiversHoldNoThreads(t *testing.T) {
	const n = 1000
	var queues []*posix.Queue
	for range 9 {
		queues = append(queues, newQueue(t, &posix.Config{MaxMessages: 2, MaxMessageSize: 8}))
	}
	before := threads(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	errs := waiting(ctx, queues, n)
	if after := threads(t); after > before+2*runtime.GOMAXPROCS(0)+4 {
		t.Errorf("%d threads before, %d with %d receivers", before, after, n)
	}
	for i := range 90 { // all queues are served while they wait
		if err := queues[i%9].Send(t.Context(), mq.Message{}); err != nil {
			t.Fatal(err)
		}
	}
	for range 90 {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	cancel(cause)
	for range n - 90 {
		if err := <-errs; !errors.Is(err, cause) {
			t.Fatal(err)
		}
	}

	errs = waiting(t.Context(), queues, n)
	for _, q := range queues {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	}
	for range n {
		if err := <-errs; !errors.Is(err, mq.ErrClosed) {
			t.Fatal(err)
		}
	}
}

func TestSleepingCallsEnd(t *testing.T) {
	testutil.NotEmulated(t, "threads of the emulator sleep elsewhere")
	for _, end := range []struct {
		name string
		by   func(q *posix.Queue, cancel func())
		want error
	}{
		{"CancelEndsThem", func(_ *posix.Queue, cancel func()) { cancel() }, context.Canceled},
		{"CloseEndsThem", func(q *posix.Queue, _ func()) { q.Close() }, mq.ErrClosed},
	} {
		t.Run(end.name, func(t *testing.T) {
			const n = 5
			q := newQueue(t, &posix.Config{MaxMessages: 1, MaxMessageSize: 1, Blocking: true})
			full := open(t, newName(), &posix.Config{MaxMessages: 1, MaxMessageSize: 1, Blocking: true})
			defer full.Unlink()
			if err := full.TrySend(mq.Message{}); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			errs := make(chan error)
			for range n {
				go func() { _, err := q.Receive(ctx); errs <- err }()
				go func() { errs <- full.Send(ctx, mq.Message{}) }()
			}
			testutil.Await(t, func() error {
				if got := posix.Waiting(q) + posix.Waiting(full); got != 2*n {
					return fmt.Errorf("%d calls wait", got)
				}
				return nil
			})
			testutil.AwaitAsleep(t, os.Getpid(), 2, "wq_sleep")
			end.by(q, cancel)
			if end.want == mq.ErrClosed {
				go full.Close()
			}
			for range 2 * n {
				if err := <-errs; !errors.Is(err, end.want) {
					t.Errorf("got %v, want %v", err, end.want)
				}
			}
			if err := posix.Unlink(full.Name()); err != nil {
				t.Error(err)
			}
		})
	}
}

// Handles of one queue, some in the poller and some in the kernel, some of whose
// calls give up all the time.
func TestBothWaysToWaitShareAQueue(t *testing.T) {
	const each, senders = 300, 3
	q := newQueue(t, &posix.Config{MaxMessages: 2, MaxMessageSize: 32})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got := make(chan string)
	var receivers, sending sync.WaitGroup
	for i := range 6 {
		q := open(t, q.Name(), &posix.Config{Blocking: i%2 == 0})
		receivers.Go(func() {
			for ctx.Err() == nil {
				giveUp, stop := context.WithCancel(ctx)
				if i%3 == 0 {
					go stop()
				}
				m, err := q.Receive(giveUp)
				stop()
				switch {
				case err == nil:
					got <- string(m.Data)
				case !errors.Is(err, context.Canceled):
					t.Error(err)
					return
				}
			}
		})
	}
	for s := range senders {
		q := open(t, q.Name(), &posix.Config{Blocking: s%2 == 0})
		sending.Go(func() {
			for i := range each {
				if err := q.Send(ctx, mq.Message{Data: fmt.Appendf(nil, "%d %d", s, i)}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	seen := map[string]bool{}
	for range senders * each {
		data := <-got
		if seen[data] {
			t.Errorf("%q was received twice", data)
		}
		seen[data] = true
	}
	sending.Wait()
	cancel()
	receivers.Wait()
	if a, err := q.Attr(); err != nil || a.Messages != 0 {
		t.Errorf("%d messages are left, %v", a.Messages, err)
	}
}

func TestReceiveIntoAndSendAllocateNothing(t *testing.T) {
	for _, mode := range modes {
		q := newQueue(t, &posix.Config{MaxMessages: 2, MaxMessageSize: 128, Blocking: mode.blocking})
		r, err := q.Select(mq.Any())
		if err != nil {
			t.Fatal(err)
		}
		for name, m := range map[string]*mq.Message{
			"straight": {Data: make([]byte, 64, 128)},
			"copied":   {Data: make([]byte, 64)},
		} {
			ctx := context.Background()
			allocs := testing.AllocsPerRun(100, func() {
				if err := errors.Join(q.Send(ctx, *m), r.ReceiveInto(ctx, m), q.TrySend(*m), q.TryReceiveInto(m)); err != nil {
					t.Fatal(err)
				}
				if r.TryReceiveInto(m) == nil {
					t.Fatal("one message too many")
				}
			})
			if allocs != 0 && !(name == "copied" && raceDetector()) {
				t.Errorf("%s, %s: %v allocations", mode.name, name, allocs)
			}
		}
	}
}

// raceDetector reports whether it is on; it makes sync.Pool forget items.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
