package sysv_test

import (
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mq/sysv"
)

// The contract over queues with a key, which lend their messages.
func TestContractOfAQueueThatLends(t *testing.T) {
	notEmulated(t)
	testutil.NotEmulated(t, "the emulator makes the mode 16 bits, so that inboxes are none", "s390x")
	mqtest.TestQueue(t, func(t *testing.T) func() mq.Queue {
		key := freeKey(t)
		return func() mq.Queue {
			q, err := sysv.Open(key, &sysv.Config{Capacity: 1024, Lease: 300 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			return q
		}
	})
}
