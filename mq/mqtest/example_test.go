package mqtest_test

import (
	"fmt"
	"log"
	"testing"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
)

// An in-memory queue, for tests of senders and receivers.
func ExampleNew() {
	q := mqtest.New(&mqtest.Config{Capacity: 1024})
	defer q.Close()
	if err := q.TrySend(mq.Message{Type: 1, Data: []byte("hello")}); err != nil {
		log.Fatal(err)
	}
	m, err := q.TryReceive()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", m.Data)
	// Output: hello
}

// The test of a backend runs the contract on it.
func ExampleTestQueue() {
	// In a _test.go file, with your own queue in place of mqtest.Queue:
	testContract := func(t *testing.T) {
		mqtest.TestQueue(t, func(t *testing.T) func() mq.Queue {
			q := mqtest.New(nil)
			t.Cleanup(func() { q.Close() })
			return func() mq.Queue { return q.Open() }
		})
	}
	_ = testContract
}
