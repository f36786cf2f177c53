package sleep_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"testing"

	"ipcmq/internal/sleep"
	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m, nil) }

// receives are system calls that sleep: one that a signal ends, and one that
// continues until its deadline has passed.
func receives(t *testing.T) map[string]func(*sys.Deadline) sys.Errno {
	t.Helper()
	id, errno := sys.Msgget(0, sys.IPC_CREAT|0o600)
	if errno != 0 {
		t.Fatal(errno)
	}
	t.Cleanup(func() { sys.MsgRemove(id) })
	name := fmt.Sprintf("/ipcmq-test-%d-%s", os.Getpid(), rand.Text())
	fd, errno := sys.MqOpen(name, sys.MQ_RDWR|sys.MQ_CREAT|sys.MQ_EXCL, 0o600, &sys.MqAttr{MaxMessages: 1, MaxMessageSize: 8})
	if errno != 0 {
		t.Fatal(errno)
	}
	file := os.NewFile(uintptr(fd), name)
	t.Cleanup(func() {
		file.Close()
		sys.MqUnlink(name)
	})
	return map[string]func(*sys.Deadline) sys.Errno{
		"do_msgrcv": func(*sys.Deadline) sys.Errno {
			_, errno := sys.Msgrcv(id, make([]byte, 100), 8, 0, 0)
			return errno
		},
		"wq_sleep": func(d *sys.Deadline) sys.Errno {
			_, _, errno := sys.MqReceive(fd, make([]byte, 8), d)
			if errno == sys.ETIMEDOUT {
				return sys.EINTR
			}
			return errno
		},
	}
}

func TestSleepingCallsEnd(t *testing.T) {
	testutil.NotEmulated(t, "threads of the emulator sleep elsewhere")
	for wchan, receive := range receives(t) {
		for _, end := range []struct {
			name string
			by   func(c *sleep.Calls, cancel func())
		}{
			{"Cancel", func(_ *sleep.Calls, cancel func()) { cancel() }},
			{"Close", func(c *sleep.Calls, _ func()) { c.Close() }},
			{"WakeAll", func(c *sleep.Calls, _ func()) { c.WakeAll() }},
		} {
			for _, withoutCancel := range []bool{false, true} {
				if withoutCancel && end.name == "Cancel" {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%v", wchan, end.name, withoutCancel), func(t *testing.T) {
					var calls sleep.Calls
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					if withoutCancel {
						ctx = context.Background()
					}
					const n = 4
					answers := make(chan sys.Errno, n)
					for i := range n {
						go func() { answers <- calls.Sleep(ctx, sleep.Line{Type: int64(i)}, 0, receive) }()
					}
					testutil.AwaitAsleep(t, os.Getpid(), n, wchan)
					end.by(&calls, cancel)
					for range n {
						if errno := <-answers; errno != sys.EINTR {
							t.Errorf("got %v, want %v", errno, sys.EINTR)
						}
					}
					if calls.Closed() != (end.name == "Close") {
						t.Errorf("Closed = %v", calls.Closed())
					}
				})
			}
		}
	}
}

func TestNothingSleepsAfterCloseOrUnderAnEndedContext(t *testing.T) {
	never := func(*sys.Deadline) sys.Errno {
		t.Error("the call was made")
		return 0
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var calls sleep.Calls
	if errno := calls.Sleep(ctx, sleep.Line{}, 0, never); errno != sys.EINTR {
		t.Errorf("under an ended context: %v", errno)
	}
	calls.Close()
	calls.Close()
	if errno := calls.Sleep(t.Context(), sleep.Line{}, 0, never); errno != sys.EINTR || !calls.Closed() {
		t.Errorf("after Close: %v", errno)
	}
}

func TestTheAnswerOfTheCallIsReturned(t *testing.T) {
	var calls sleep.Calls
	defer calls.Close()
	for _, want := range []sys.Errno{0, sys.EIDRM} {
		for _, ctx := range []context.Context{context.Background(), t.Context()} {
			signals := 3 // unrelated to this call
			if got := calls.Sleep(ctx, sleep.Line{}, 0, func(*sys.Deadline) sys.Errno {
				if signals--; signals >= 0 {
					return sys.EINTR
				}
				return want
			}); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		}
	}
	if allocs := testing.AllocsPerRun(100, func() {
		calls.Sleep(context.Background(), sleep.Line{}, 0, func(*sys.Deadline) sys.Errno { return 0 })
	}); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
