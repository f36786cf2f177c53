package rpc_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"ipcmq/mq/sysv"
	"ipcmq/mux/rpc"
)

// A request carries a trace context, and the reply its content type.
func ExampleWithMetadata() {
	q, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	defer q.Remove()
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
	served := make(chan error)
	go func() {
		served <- rpc.Handle(ctx, q, 7, func(ctx context.Context, _ []byte) ([]byte, error) {
			fmt.Println("handled in", rpc.RequestMetadata(ctx)["traceparent"])
			if err := rpc.SetReplyMetadata(ctx, rpc.Metadata{"content-type": "application/json"}); err != nil {
				return nil, err
			}
			return []byte(`{"ok":true}`), nil
		}, nil)
	}()

	client, err := rpc.NewClient(q, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	var of rpc.Metadata
	asking := rpc.WithMetadata(ctx, rpc.Metadata{"traceparent": "00-0af7651916cd43dd-b7ad6b71-01"})
	reply, err := client.Request(rpc.WithReplyMetadata(asking, &of), 7, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %s\n", of["content-type"], reply)
	stop()
	<-served
	// Output:
	// handled in 00-0af7651916cd43dd-b7ad6b71-01
	// application/json: {"ok":true}
}
