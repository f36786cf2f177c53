package large_test

import (
	"crypto/rand"
	"encoding/binary"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/large"
	"ipcmq/mq/mqtest"
	"ipcmq/mq/sysv"
)

// freeKey returns an unused key, and removes its queue after the test.
func freeKey(tb testing.TB) sysv.Key {
	tb.Helper()
	b := make([]byte, 4)
	rand.Read(b)
	key := sysv.Key(binary.NativeEndian.Uint32(b) | 1)
	tb.Cleanup(func() {
		if q, err := sysv.Open(key, &sysv.Config{OpenOnly: true}); err == nil {
			q.Remove()
			q.Close()
		}
	})
	return key
}

// wrap wraps a queue and closes it after the test.
func wrap(tb testing.TB, q mq.Queue, cfg *large.Config) *large.Queue {
	tb.Helper()
	w, err := large.Wrap(q, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { w.Close() })
	return w
}

func openSysV(tb testing.TB, key sysv.Key, cfg *sysv.Config) *sysv.Queue {
	tb.Helper()
	q, err := sysv.Open(key, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return q
}

// The contract, with payloads in the queue and with most of them in shared
// memory, on queues that lend and on queues that do not.
func TestContract(t *testing.T) {
	testutil.NotEmulated(t, "leases are tried in mq/sysv")
	for _, c := range []struct {
		name   string
		lends  bool
		inline int
	}{{"InMemory", false, 0}, {"InMemoryLending", true, 0}, {"AsTheyAreLending", true, 1024}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // the tests wait for leases to run out
			mqtest.TestQueue(t, func(t *testing.T) func() mq.Queue {
				key, private := sysv.Private, 0
				if c.lends {
					key = freeKey(t)
				} else {
					first := openSysV(t, sysv.Private, &sysv.Config{Capacity: 1024})
					t.Cleanup(func() {
						first.Remove()
						first.Close()
					})
					private = first.ID()
				}
				return func() mq.Queue {
					var q *sysv.Queue
					var err error
					if c.lends {
						q, err = sysv.Open(key, &sysv.Config{Capacity: 1024, Lease: 300 * time.Millisecond})
					} else {
						q, err = sysv.OpenID(private, nil)
					}
					if err != nil {
						t.Fatal(err)
					}
					w := wrap(t, q, &large.Config{MaxPayload: 8192, Memory: 1 << 20}) // more than 32 tickets need
					w.Inline(c.inline)
					return w
				}
			})
		})
	}
}
