package batch_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/batch"
	"ipcmq/mq/mqtest"
	"ipcmq/stream/lease"
)

// The messages of a frame are handled one by one: only the one that failed is tried
// again.
func ExampleQueue_SelectLeases() {
	q := mqtest.New(&mqtest.Config{Lease: time.Minute}) // or sysv.Open(0x2a, nil)
	b, err := batch.New(q, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if _, err := b.SendBatch(ctx, []mq.Message{{Type: 1, Data: []byte("soup")}, {Type: 1, Data: []byte("tea")}}); err != nil {
		log.Fatal(err)
	}
	fmt.Println("in the queue:", q.Stat().Messages)

	left := 2
	err = lease.Handle(ctx, b, func(_ context.Context, d lease.Delivery) error {
		if string(d.Data) == "soup" && d.Attempt == 1 {
			return errors.New("too hot")
		}
		fmt.Printf("%s, attempt %d\n", d.Data, d.Attempt)
		if left--; left == 0 {
			cancel()
		}
		return nil
	}, &lease.Config{RetryDelay: func(int, error) time.Duration { return 0 }})
	fmt.Println("ended with", err)
	// Output:
	// in the queue: 1
	// tea, attempt 1
	// soup, attempt 2
	// ended with <nil>
}
