package lease_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
	"ipcmq/stream/lease"
)

// Keys of kernel queues, in the namespace of these tests.
const (
	jobsKey    sysv.Key = 0x10b5
	reportsKey sysv.Key = 0x10b6
	goKey      sysv.Key = 0x10b7 // each message lets one handler continue
)

// Types of reports: a handler has begun or is done, the worker is ending.
const begun, done, ending = 1, 2, 3

// worker handles jobs until SIGTERM, four at once, with the drain time in its
// argument.
func worker() {
	check := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "worker:", err)
			os.Exit(1)
		}
	}
	drain, err := time.ParseDuration(os.Args[1])
	check(err)
	var queues [3]*sysv.Queue
	for i, key := range []sysv.Key{jobsKey, reportsKey, goKey} {
		queues[i], err = sysv.Open(key, &sysv.Config{OpenOnly: true})
		check(err)
	}
	jobs, reports, goOn := queues[0], queues[1], queues[2]
	report := func(t int64, data []byte) { check(reports.Send(context.Background(), mq.Message{Type: t, Data: data})) }
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, func() { report(ending, nil) })
	check(lease.Handle(ctx, jobs, func(ctx context.Context, d lease.Delivery) error {
		report(begun, d.Data)
		if _, err := goOn.Receive(ctx); err != nil {
			return err
		}
		report(done, d.Data)
		return nil
	}, &lease.Config{Concurrency: 4, Drain: drain}))
}

// kernelQueue opens the queue with a key, which is removed after the test.
func kernelQueue(t *testing.T, key sysv.Key) *sysv.Queue {
	t.Helper()
	q, err := sysv.Open(key, &sysv.Config{Exclusive: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Remove(); err != nil {
			t.Error(err)
		}
		q.Close()
	})
	return q
}

// A worker that is ended takes nothing more; it finishes or gives back the
// messages that it has. Those of a killed worker are lent to others.
func TestTheEndOfAWorkerLosesNoJob(t *testing.T) {
	testutil.NeedNamespace(t)
	testutil.NotEmulated(t, "mq/sysv tries leases between processes")
	const all, atOnce = 12, 4
	for _, c := range []struct {
		name, drain string
		end         func(t *testing.T, cmd *exec.Cmd, r mq.Receiver)
		let         int // how many handlers may continue
	}{
		{"it finishes", "1h", terminate, atOnce},
		{"it gives back", "0s", terminate, 0},
		{"it is killed", "1h", func(t *testing.T, cmd *exec.Cmd, _ mq.Receiver) { cmd.Process.Kill() }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			jobs, reports, goOn := kernelQueue(t, jobsKey), kernelQueue(t, reportsKey), kernelQueue(t, goKey)
			lender := lend(t, jobs)
			send(t, jobs, 1, 0, all)
			cmd := testutil.Command(t, "worker", c.drain)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			received := func(typ int64, n int) (got []string) {
				r, err := reports.Select(mq.Type(typ))
				if err != nil {
					t.Fatal(err)
				}
				for range n {
					m, err := r.Receive(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, string(m.Data))
				}
				return got
			}
			atWork := received(begun, atOnce)
			c.end(t, cmd, reports)
			for range c.let {
				if err := goOn.Send(t.Context(), mq.Message{Type: 1}); err != nil {
					t.Fatal(err)
				}
			}
			finished := received(done, c.let)
			if err := cmd.Wait(); (err == nil) != cmd.ProcessState.Exited() {
				t.Errorf("the worker ended with %v", err)
			}
			if m, err := reports.TryReceive(); err == nil {
				t.Errorf("a handler has begun or finished after the end: %d %s", m.Type, m.Data)
			}
			var left []string
			for range all - c.let {
				l, err := lender.Lease(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				job := string(l.Message().Data)
				left = append(left, job)
				if slices.Contains(atWork, job) && l.Attempt() != 2 || l.Attempt() > 2 {
					t.Errorf("job %s comes for attempt %d", job, l.Attempt())
				}
				if err := l.Ack(t.Context()); err != nil {
					t.Error(err)
				}
			}
			var want []string
			for i := range all {
				want = append(want, strconv.Itoa(i))
			}
			got := slices.Concat(finished, left)
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("finished %v, left %v", finished, left)
			}
		})
	}
}

// terminate ends a worker, and waits until it has begun to end.
func terminate(t *testing.T, cmd *exec.Cmd, reports mq.Receiver) {
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	m, err := reports.Receive(t.Context())
	if err != nil || m.Type != ending {
		t.Fatal(err, m.Type)
	}
}
