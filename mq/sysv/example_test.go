package sysv_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

// A queue exists until somebody removes it: the other side opens it by the same key, in
// any language.
func ExampleOpen() {
	q, err := sysv.Open(0x1d0c5, &sysv.Config{Mode: 0o660})
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	defer q.Remove()

	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := q.Send(ctx, mq.Message{Type: 7, Data: []byte("hello")}); err != nil {
		log.Fatal(err)
	}
	m, err := q.Receive(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d: %s\n", m.Type, m.Data)
	// Output: 7: hello
}

// Two-way traffic over one queue: each side receives the types meant for it.
func ExampleQueue_Select() {
	q, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	defer q.Remove()

	ctx := context.Background()
	const toServer, toClient = 1, 2
	if err := q.Send(ctx, mq.Message{Type: toServer, Data: []byte("ping")}); err != nil {
		log.Fatal(err)
	}
	if err := q.Send(ctx, mq.Message{Type: toClient, Data: []byte("pong")}); err != nil {
		log.Fatal(err)
	}
	client, err := q.Select(mq.Type(toClient))
	if err != nil {
		log.Fatal(err)
	}
	m, err := client.Receive(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", m.Data)
	// Output: pong
}

// A call that waits ends with its context, and says what it waited for.
func ExampleQueue_Receive_timeout() {
	q, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	defer q.Remove()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err = q.Receive(ctx)
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output: true
}

// How full a queue is, and what it may hold.
func ExampleQueue_Stat() {
	q, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	defer q.Remove()
	if err := q.TrySend(mq.Message{Type: 1, Data: make([]byte, 100)}); err != nil {
		log.Fatal(err)
	}
	s, err := q.Stat()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d message, %d bytes\n", s.Messages, s.Bytes)
	// Output: 1 message, 100 bytes
}

// Set changes an existing queue.
func ExampleQueue_Set() {
	q, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	defer q.Remove()
	if err := q.Set(func(s *sysv.Settings) { s.Capacity = 4096 }); err != nil {
		log.Fatal(err)
	}
	s, err := q.Stat()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Capacity)
	// Output: 4096
}
