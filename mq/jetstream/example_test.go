package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/stream/lease"
)

// server is where the examples keep their queues, such as "nats://a.example:4222".
var server = os.Getenv("NATS_URL")

// Messages are handled by whoever is free, on any host; none is lost with its handler.
func Example() {
	ctx, stop := context.WithTimeout(context.Background(), 30*time.Second)
	defer stop()
	q, err := jetstream.Open(ctx, server, "orders", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	if err := q.Send(ctx, mq.Message{Type: 1, Data: []byte("order 17")}); err != nil {
		log.Fatal(err)
	}
	err = lease.Handle(ctx, q, func(_ context.Context, d lease.Delivery) error {
		fmt.Printf("%s, attempt %d\n", d.Data, d.Attempt)
		if d.Attempt == 1 {
			return errors.New("the printer is out of paper") // it is handled again
		}
		stop()
		return nil // it is removed
	}, &lease.Config{RetryDelay: func(int, error) time.Duration { return 0 }})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// order 17, attempt 1
	// order 17, attempt 2
}

// A message whose attempts have all failed goes to another queue, with the reason.
func Example_deadLetters() {
	ctx, stop := context.WithTimeout(context.Background(), 30*time.Second)
	defer stop()
	q, err := jetstream.Open(ctx, server, "payments", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	failed, err := jetstream.Open(ctx, server, "payments-failed", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer failed.Close()

	if err := q.Send(ctx, mq.Message{Type: 1, Data: []byte("payment 4")}); err != nil {
		log.Fatal(err)
	}
	working, done := context.WithCancel(ctx)
	handled := make(chan error)
	go func() {
		handled <- lease.Handle(working, q, func(context.Context, lease.Delivery) error {
			return errors.New("no such account")
		}, &lease.Config{
			RetryDelay:  func(int, error) time.Duration { return 0 },
			MaxAttempts: 3,
			DeadLetter:  lease.ToQueue(failed),
		})
	}()

	m, err := failed.Receive(ctx)
	if err != nil {
		log.Fatal(err)
	}
	letter, err := lease.ParseDeadLetter(m)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %s, after %d attempts\n", letter.Data, letter.Reason, letter.Attempt)
	done()
	if err := <-handled; err != nil {
		log.Fatal(err)
	}
	// Output: payment 4: no such account, after 3 attempts
}

// In claim mode a queue has all selectors of System V queues.
func ExampleOpen_claimMode() {
	ctx, stop := context.WithTimeout(context.Background(), 30*time.Second)
	defer stop()
	q, err := jetstream.Open(ctx, server, "print-jobs", &jetstream.Config{Mode: jetstream.ClaimMode})
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	for _, urgency := range []int64{3, 1, 9, 2} {
		if err := q.Send(ctx, mq.Message{Type: urgency, Data: fmt.Append(nil, "job ", urgency)}); err != nil {
			log.Fatal(err)
		}
	}
	urgent, err := q.Select(mq.UpTo(3))
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		m, err := urgent.Receive(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", m.Data)
	}
	// Output:
	// job 1
	// job 2
	// job 3
}

// A sender that starts again, not knowing how far it got, adds nothing twice.
func ExampleQueue_SendWith() {
	ctx, stop := context.WithTimeout(context.Background(), 30*time.Second)
	defer stop()
	q, err := jetstream.Open(ctx, server, "imports", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	for _, line := range []string{"1", "2", "1", "2", "3"} {
		m := mq.Message{Type: 1, Data: []byte("line " + line)}
		if err := mq.SendWith(ctx, q, m, mq.SendOptions{ID: "import-7-" + line, TTL: time.Hour}); err != nil {
			log.Fatal(err)
		}
	}
	stat, err := q.Stat(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(stat.Messages, "messages")
	// Output: 3 messages
}

// The settings of a queue are changed while it is in use.
func ExampleQueue_Set() {
	ctx, stop := context.WithTimeout(context.Background(), 30*time.Second)
	defer stop()
	q, err := jetstream.Open(ctx, server, "limited", &jetstream.Config{MaxMessages: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	for i := range 2 {
		err := q.TrySend(mq.Message{Type: 1})
		fmt.Println(i, err)
		if errors.Is(err, mq.ErrFull) {
			err = q.Set(ctx, func(s *jetstream.Settings) { s.MaxMessages = 1000 })
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println(i, q.TrySend(mq.Message{Type: 1}))
		}
	}
	// Output:
	// 0 <nil>
	// 1 mq: send limited: queue is full
	// 1 <nil>
}
