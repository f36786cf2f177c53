package posix_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"testing"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mq/posix"
)

var roles = map[string]func(){}

// newName returns a name that no other test and no other run uses.
func newName() string { return fmt.Sprintf("/ipcmq-test-%d-%s", os.Getpid(), rand.Text()) }

// open opens a queue and closes it after the test.
func open(tb testing.TB, name string, cfg *posix.Config) *posix.Queue {
	tb.Helper()
	q, err := posix.Open(name, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { q.Close() })
	return q
}

// newQueue creates a queue that is unlinked after the test. It is small, since
// all queues of a user share RLIMIT_MSGQUEUE.
func newQueue(tb testing.TB, cfg *posix.Config) *posix.Queue {
	tb.Helper()
	c := posix.Config{MaxMessages: 8, MaxMessageSize: 256}
	if cfg != nil {
		c = *cfg
	}
	q := open(tb, newName(), &c)
	tb.Cleanup(func() { posix.Unlink(q.Name()) })
	return q
}

// modes are the two ways to wait.
var modes = []struct {
	name     string
	blocking bool
}{{"Poller", false}, {"Blocking", true}}

func TestContract(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			mqtest.TestQueue(t, func(t *testing.T) func() mq.Queue {
				q := newQueue(t, nil)
				return func() mq.Queue { return open(t, q.Name(), &posix.Config{Blocking: mode.blocking}) }
			})
		})
	}
}
