package lease_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/codec"
	"ipcmq/mq/mqtest"
	"ipcmq/stream/lease"
)

// A failed batch is handled again one by one, so that the one message that can
// never be handled is found.
func ExampleHandleBatches() {
	// An in-memory queue, in place of one on a server.
	q := mqtest.New(&mqtest.Config{Lease: time.Minute})
	defer q.Close()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for _, amount := range []string{"3", "-1", "8"} {
		if err := q.Send(ctx, mq.Message{Type: 1, Data: []byte(amount)}); err != nil {
			fmt.Println(err)
		}
	}

	sum := 0
	insert := func(_ context.Context, amounts []int, _ []lease.Delivery) error {
		total := 0
		for _, n := range amounts {
			if n < 0 {
				return errors.New("negative amount")
			}
			total += n
		}
		sum += total
		return nil // all are acknowledged
	}
	err := lease.HandleBatches(ctx, q, lease.TypedBatch(codec.JSON[int](), insert), &lease.BatchConfig{
		MaxItems: 100,
		Config: lease.Config{
			RetryDelay:  func(attempt int, _ error) time.Duration { return time.Duration(attempt) * 10 * time.Millisecond },
			MaxAttempts: 3,
			DeadLetter: func(_ context.Context, d lease.Delivery, err error) error {
				fmt.Printf("%s is dead: %v; the sum is %d\n", d.Data, err, sum)
				cancel()
				return nil
			},
		},
	})
	fmt.Println("ended with", err)
	// Output:
	// -1 is dead: negative amount; the sum is 11
	// ended with <nil>
}
