package sysv_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime/pprof"
	"slices"
	"strconv"
	"sync"
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

func TestACauseMatchesAlongWithTheContextsError(t *testing.T) {
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
	testutil.NotEmulated(t, "the emulator has additional threads, which a signal would kill")
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

// cancels is how many calls are canceled in the tests that cancel at random
// moments.
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
