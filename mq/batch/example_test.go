package batch_test

import (
	"context"
	"fmt"
	"log"

	"ipcmq/mq"
	"ipcmq/mq/batch"
	"ipcmq/mq/sysv"
)

func Example() {
	q, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		log.Fatal(err)
	}
	b, err := batch.New(q, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	defer q.Remove()

	ctx := context.Background()
	for i := range 3 {
		if err := b.Add(ctx, mq.Message{Type: 1, Data: fmt.Appendf(nil, "message %d", i)}); err != nil {
			log.Fatal(err)
		}
	}
	if err := b.Flush(ctx); err != nil {
		log.Fatal(err)
	}
	st, err := q.Stat()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("in the queue:", st.Messages)

	for range 3 {
		m, err := b.Receive(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", m.Data)
	}
	// Output:
	// in the queue: 1
	// message 0
	// message 1
	// message 2
}
