package posix_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/posix"
)

func Example() {
	q, err := posix.Open("/ipcmq-example", &posix.Config{MaxMessages: 8, MaxMessageSize: 128})
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	defer q.Unlink() // otherwise the queue would stay

	ctx := context.Background()
	for _, m := range []mq.Message{
		{Priority: 1, Data: []byte("may wait")},
		{Priority: 7, Data: []byte("urgent")},
	} {
		if err := q.Send(ctx, m); err != nil {
			log.Fatal(err)
		}
	}
	for range 2 {
		m, err := q.Receive(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d %s\n", m.Priority, m.Data)
	}

	ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	_, err = q.Receive(ctx)
	fmt.Println("nothing more:", errors.Is(err, context.DeadlineExceeded))
	// Output:
	// 7 urgent
	// 1 may wait
	// nothing more: true
}
