package mux_test

import (
	"context"
	"fmt"
	"log"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mux"
)

// Each type has its channel.
func ExampleMux_Subscribe() {
	q := mqtest.New(nil) // or sysv.Open
	defer q.Close()
	m, err := mux.New(q, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	const orders, bills = 1, 2
	forOrders, err := m.Subscribe(mq.Type(orders), nil)
	if err != nil {
		log.Fatal(err)
	}
	forBills, err := m.Subscribe(mq.Type(bills), nil)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if err := m.Publish(ctx, mq.Message{Type: bills, Data: []byte("3.50")}); err != nil {
		log.Fatal(err)
	}
	if err := m.Publish(ctx, mq.Message{Type: orders, Data: []byte("tea")}); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("order: %s\n", (<-forOrders.Messages()).Data)
	fmt.Printf("bill: %s\n", (<-forBills.Messages()).Data)
	// Output:
	// order: tea
	// bill: 3.50
}

// In the words of event emitters: on, emit, off.
func ExampleMux_On() {
	q := mqtest.New(nil)
	defer q.Close()
	m, err := mux.New(q, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	done := make(chan struct{})
	off, err := m.On(mq.Type(1), func(msg mq.Message) {
		fmt.Printf("data: %s\n", msg.Data)
		close(done)
	}, nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := m.Publish(context.Background(), mq.Message{Type: 1, Data: []byte("hello")}); err != nil {
		log.Fatal(err)
	}
	<-done
	off()
	// Output: data: hello
}

// Once takes exactly one message, and leaves the next in the queue.
func ExampleMux_Once() {
	q := mqtest.New(nil)
	defer q.Close()
	m, err := mux.New(q, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	ctx := context.Background()
	for _, data := range []string{"first", "second"} {
		if err := m.Publish(ctx, mq.Message{Type: 1, Data: []byte(data)}); err != nil {
			log.Fatal(err)
		}
	}
	msg, err := m.Once(ctx, mq.Type(1))
	if err != nil {
		log.Fatal(err)
	}
	left, err := q.TryReceive()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, then %s\n", msg.Data, left.Data)
	// Output: first, then second
}
