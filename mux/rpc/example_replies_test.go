package rpc_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"ipcmq/mq/codec"
	"ipcmq/mq/sysv"
	"ipcmq/mux/rpc"
)

// A handler sends many replies, and the caller ranges over them. When it leaves the
// loop, the handler ends.
func ExampleClient_Replies() {
	q, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	defer q.Remove()
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
	served := make(chan error)
	powers := func(ctx context.Context, _ []byte, reply func([]byte) error) error {
		for n := 1; ; n *= 2 {
			if err := reply(fmt.Append(nil, n)); err != nil {
				fmt.Println("the handler:", context.Cause(ctx))
				return err
			}
		}
	}
	go func() { served <- rpc.Handle(ctx, q, 7, rpc.Replies(powers), nil) }()

	client, err := rpc.NewClient(q, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	for reply, err := range client.Replies(ctx, 7, nil) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", reply)
		if len(reply) > 1 {
			break
		}
	}
	stop()
	<-served
	// Output:
	// 1
	// 2
	// 4
	// 8
	// 16
	// the handler: the caller takes no more replies
}

// Requests and replies are Go values.
func ExampleMethod_Replies() {
	q, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	defer q.Remove()
	type word struct {
		Text string
		At   int
	}
	words := rpc.Method[[]string, word]{Type: 7, Request: codec.JSON[[]string](), Reply: codec.JSON[word]()}
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
	served := make(chan error)
	go func() {
		served <- rpc.Handle(ctx, q, words.Type, words.Replier(func(_ context.Context, texts []string, reply func(word) error) error {
			for i, text := range texts {
				if err := reply(word{text, i}); err != nil {
					return err
				}
			}
			return nil
		}), nil)
	}()

	client, err := rpc.NewClient(q, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	for w, err := range words.Replies(ctx, client, []string{"one", "two"}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(w.At, w.Text)
	}
	stop()
	<-served
	// Output:
	// 0 one
	// 1 two
}
