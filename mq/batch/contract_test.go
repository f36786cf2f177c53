package batch_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/batch"
	"ipcmq/mq/mqtest"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

// newSysV creates a System V queue that is removed after the test.
func newSysV(tb testing.TB) *sysv.Queue {
	tb.Helper()
	q, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		tb.Fatal(err)
	}
	id := q.ID()
	tb.Cleanup(func() {
		q.Close()
		if reopened, err := sysv.OpenID(id, nil); err == nil {
			reopened.Remove()
			reopened.Close()
		}
	})
	return q
}

// newPOSIX returns a function that opens the same POSIX queue each time.
func newPOSIX(t *testing.T) func() *posix.Queue {
	testutil.NotEmulated(t, "the emulator passes the O_NONBLOCK of mips to mq_setattr", "mips", "mipsle", "mips64", "mips64le")
	name := fmt.Sprintf("/ipcmq-batch-%d", time.Now().UnixNano())
	q, err := posix.Open(name, &posix.Config{Exclusive: true, MaxMessages: 8, MaxMessageSize: 256})
	if errors.Is(err, errors.ErrUnsupported) {
		testutil.Lacking(t, "POSIX queues")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		q.Unlink()
		q.Close()
	})
	return func() *posix.Queue {
		q, err := posix.Open(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
}

// start returns a batch queue on q, which is closed after the test.
func start(tb testing.TB, q mq.Queue, cfg *batch.Config) *batch.Queue {
	tb.Helper()
	b, err := batch.New(q, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { b.Close() })
	return b
}

// A removable is a queue of batches that the contract can remove.
type removable struct {
	*batch.Queue
	remove func() error
}

func (r removable) Remove() error { return r.remove() }

func TestContract(t *testing.T) {
	t.Run("Memory", func(t *testing.T) {
		mqtest.TestQueue(t, func(t *testing.T) func() mq.Queue {
			first := mqtest.New(&mqtest.Config{Capacity: 1024, MaxMessage: 256})
			t.Cleanup(func() { first.Close() })
			return func() mq.Queue {
				q := first.Open()
				return removable{start(t, q, nil), q.Remove}
			}
		})
	})
	t.Run("SysV", func(t *testing.T) {
		mqtest.TestQueue(t, func(t *testing.T) func() mq.Queue {
			id := newSysV(t).ID()
			return func() mq.Queue {
				q, err := sysv.OpenID(id, nil)
				if err != nil {
					t.Fatal(err)
				}
				return removable{start(t, q, nil), q.Remove}
			}
		})
	})
	t.Run("POSIX", func(t *testing.T) {
		mqtest.TestQueue(t, func(t *testing.T) func() mq.Queue {
			open := newPOSIX(t)
			return func() mq.Queue { return start(t, open(), nil) }
		})
	})
}
