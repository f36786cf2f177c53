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
	testutil.NotEmulated(t, "the emulator has modes of 16 bits, so inboxes are not recognized", "s390x")
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
