package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"ipcmq/mq/sysv"
	"ipcmq/mux/rpc"
)

// A client and a server, which would be in different processes.
func ExampleHandle() {
	q, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	defer q.Remove()

	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() {
		served <- rpc.Handle(ctx, q, 7, func(_ context.Context, request []byte) ([]byte, error) {
			if len(request) == 0 {
				return nil, errors.New("nothing to put in upper case")
			}
			return bytes.ToUpper(request), nil
		}, nil)
	}()

	client, err := rpc.NewClient(q, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	for _, text := range []string{"hello", ""} {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		reply, err := client.Request(ctx, 7, []byte(text))
		cancel()
		var remote *rpc.RemoteError
		switch {
		case errors.As(err, &remote):
			fmt.Println("the server says:", remote.Text)
		case err != nil:
			log.Fatal(err)
		default:
			fmt.Printf("%s\n", reply)
		}
	}

	stop() // the server answers what it has and returns
	fmt.Println("ended with", <-served)
	// Output:
	// HELLO
	// the server says: nothing to put in upper case
	// ended with <nil>
}
