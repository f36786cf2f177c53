package stream_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/stream"
)

// A queue as a channel.
func ExampleNew() {
	q := mqtest.New(nil) // or sysv.Open, posix.Open
	defer q.Close()
	for i := range 3 {
		if err := q.TrySend(mq.Message{Type: 1, Data: fmt.Appendf(nil, "message %d", i)}); err != nil {
			log.Fatal(err)
		}
	}

	s, err := stream.New(q, nil)
	if err != nil {
		log.Fatal(err)
	}
	n := 0
	for m := range s.Messages() {
		fmt.Printf("%s\n", m.Data)
		if n++; n == 3 {
			break
		}
	}
	if err := s.Close(); err != nil { // mq.ErrUnread, if something was left
		log.Fatal(err)
	}
	// Output:
	// message 0
	// message 1
	// message 2
}

// Messages that were taken but not read when a stream is closed are not lost.
func ExampleStream_Unread() {
	q := mqtest.New(nil)
	defer q.Close()
	for i := range 3 {
		if err := q.TrySend(mq.Message{Type: 1, Data: fmt.Appendf(nil, "message %d", i)}); err != nil {
			log.Fatal(err)
		}
	}
	s, err := stream.New(q, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", (<-s.Messages()).Data)
	if err := s.Close(); err != nil && !errors.Is(err, mq.ErrUnread) {
		log.Fatal(err)
	}
	left := s.Unread()
	for { // the rest is still in the queue
		m, err := q.TryReceive()
		if err != nil {
			break
		}
		left = append(left, m)
	}
	for _, m := range left {
		fmt.Printf("%s, unread\n", m.Data)
	}
	// Output:
	// message 0
	// message 1, unread
	// message 2, unread
}

// Items are handled in batches, for work that costs less that way.
func ExampleBatches() {
	items := make(chan int, 5)
	for i := range 5 {
		items <- i
	}
	close(items)
	batches, err := stream.Batches(items, &stream.BatchConfig[int]{MaxItems: 2})
	if err != nil {
		log.Fatal(err)
	}
	for batch := range batches {
		fmt.Println(batch)
	}
	// Output:
	// [0 1]
	// [2 3]
	// [4]
}

// A loop that ends with its context, and gets the reason.
func ExampleStream_All() {
	q := mqtest.New(nil)
	defer q.Close()
	if err := q.TrySend(mq.Message{Type: 1, Data: []byte("hello")}); err != nil {
		log.Fatal(err)
	}
	s, err := stream.New(q, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for m, err := range s.All(ctx) {
		if err != nil {
			fmt.Println("ended:", errors.Is(err, context.Canceled))
			break
		}
		fmt.Printf("%s\n", m.Data)
		cancel()
	}
	// Output:
	// hello
	// ended: true
}
