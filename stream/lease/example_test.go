package lease_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/stream/lease"
)

// A message whose handler fails is handled again.
func ExampleHandle() {
	// An in-memory queue, in place of one on a server.
	q := mqtest.New(&mqtest.Config{Lease: time.Minute})
	defer q.Close()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for _, order := range []string{"soup", "bill", "tea"} {
		if err := q.Send(ctx, mq.Message{Type: 1, Data: []byte(order)}); err != nil {
			fmt.Println(err)
		}
	}

	served := 0
	err := lease.Handle(ctx, q, func(_ context.Context, d lease.Delivery) error {
		if string(d.Data) == "tea" && d.Attempt == 1 {
			return errors.New("the kettle is empty") // given back
		}
		fmt.Printf("%s, attempt %d\n", d.Data, d.Attempt)
		if served++; served == 3 {
			cancel()
		}
		return nil // acknowledged
	}, &lease.Config{
		RetryDelay: func(int, error) time.Duration { return 10 * time.Millisecond },
	})
	fmt.Println("ended with", err)
	// Output:
	// soup, attempt 1
	// bill, attempt 1
	// tea, attempt 2
	// ended with <nil>
}

// A message that always fails goes to another queue, with its error.
func ExampleToQueue() {
	orders := mqtest.New(&mqtest.Config{Lease: time.Minute}) // or sysv.Open(0x2a, nil)
	defer orders.Close()
	dead := mqtest.New(nil)
	defer dead.Close()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := orders.Send(ctx, mq.Message{Type: 7, Data: []byte("soup with a fork")}); err != nil {
		fmt.Println(err)
	}
	go lease.Handle(ctx, orders, func(context.Context, lease.Delivery) error {
		return errors.New("it runs off")
	}, &lease.Config{
		MaxAttempts: 3,
		DeadLetter:  lease.ToQueue(dead),
		RetryDelay:  func(int, error) time.Duration { return 10 * time.Millisecond },
	})

	m, err := dead.Receive(ctx)
	if err != nil {
		fmt.Println(err)
	}
	letter, err := lease.ParseDeadLetter(m)
	fmt.Printf("type %d, %q, after %d attempts: %s, %v\n", letter.Type, letter.Data, letter.Attempt, letter.Reason, err)
	// letter.Message can be sent back to orders unchanged.

	// Output:
	// type 7, "soup with a fork", after 3 attempts: it runs off, <nil>
}
