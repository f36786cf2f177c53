package large_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/large"
	"ipcmq/mq/sysv"
	"ipcmq/mux/rpc"
)

func Example() {
	q, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		log.Fatal(err)
	}
	l, err := large.Wrap(q, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	defer l.Remove()

	ctx := context.Background()
	for _, n := range []int{5, 50_000_000} {
		if err := l.Send(ctx, mq.Message{Type: 1, Data: make([]byte, n)}); err != nil {
			log.Fatal(err)
		}
		st, err := q.Stat()
		if err != nil {
			log.Fatal(err)
		}
		m, err := l.Receive(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d bytes take %d in the queue\n", len(m.Data), st.Bytes)
	}
	// Output:
	// 5 bytes take 5 in the queue
	// 50000000 bytes take 32 in the queue
}

// Requests and replies may be as large as messages. Client and server would be in
// different processes; each wraps its queue.
func Example_requests() {
	q, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		log.Fatal(err)
	}
	l, err := large.Wrap(q, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	defer l.Remove()

	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	served := make(chan error)
	go func() {
		served <- rpc.Handle(ctx, l, 7, func(_ context.Context, request []byte) ([]byte, error) {
			return bytes.ToUpper(request), nil
		}, nil)
	}()
	client, err := rpc.NewClient(l, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	for _, n := range []int{100_000, 10_000_000} {
		reply, err := client.Request(ctx, 7, bytes.Repeat([]byte("hello"), n/5))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d bytes: %s...\n", len(reply), reply[:10])
	}
	stop()
	<-served
	// Output:
	// 100000 bytes: HELLOHELLO...
	// 10000000 bytes: HELLOHELLO...
}
