package mqtest_test

import (
	"testing"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mq/sysv"
)

func TestContractInMemory(t *testing.T) {
	mqtest.TestQueue(t, func(t *testing.T) func() mq.Queue {
		q := mqtest.New(&mqtest.Config{Capacity: 2048, MaxMessage: 1024})
		return func() mq.Queue { return q.Open() }
	})
}

func TestContractInMemoryWithLeases(t *testing.T) {
	t.Parallel() // it waits most of the time
	mqtest.TestQueue(t, func(t *testing.T) func() mq.Queue {
		q := mqtest.New(&mqtest.Config{Capacity: 2048, MaxMessage: 1024, Lease: time.Second})
		return func() mq.Queue { return q.Open() }
	})
}

func TestContractOfSystemV(t *testing.T) {
	mqtest.TestQueue(t, func(t *testing.T) func() mq.Queue {
		q, err := sysv.Open(sysv.Private, &sysv.Config{Capacity: 2048})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			q.Remove() // fails if the test has removed the queue
			q.Close()
		})
		return func() mq.Queue {
			q, err := sysv.OpenID(q.ID(), nil)
			if err != nil {
				t.Fatal(err)
			}
			return q
		}
	})
}
