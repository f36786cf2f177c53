package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"ipcmq/mq/sysv"
	"ipcmq/mux/rpc"
)

// Middleware for every request is a function from handler to handler.
func Example_middleware() {
	// logged prints the result of each request.
	logged := func(next rpc.Handler) rpc.Handler {
		return func(ctx context.Context, request []byte) ([]byte, error) {
			reply, err := next(ctx, request)
			fmt.Printf("%s: %q, %v\n", request, reply, err)
			return reply, err
		}
	}
	// recovered turns a panic into an error with a code of this program.
	recovered := func(next rpc.Handler) rpc.Handler {
		return func(ctx context.Context, request []byte) (reply []byte, err error) {
			defer func() {
				if v := recover(); v != nil {
					err = &rpc.RemoteError{Code: 1500, Text: fmt.Sprint("sorry: ", v)}
				}
			}()
			return next(ctx, request)
		}
	}
	// limited refuses requests that are too large.
	limited := func(most int, next rpc.Handler) rpc.Handler {
		return func(ctx context.Context, request []byte) ([]byte, error) {
			if len(request) > most {
				return nil, &rpc.RemoteError{Code: 1413, Text: fmt.Sprintf("%d bytes exceed the limit of %d", len(request), most)}
			}
			return next(ctx, request)
		}
	}
	brew := func(_ context.Context, request []byte) ([]byte, error) {
		switch string(request) {
		case "coffee":
			return []byte("here you are"), nil
		case "tea":
			return nil, errors.New("out of tea")
		}
		panic("what is " + string(request) + "?")
	}

	q, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	defer q.Remove()
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
	served := make(chan error)
	go func() { served <- rpc.Handle(ctx, q, 7, logged(recovered(limited(10, brew))), nil) }()
	client, err := rpc.NewClient(q, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	for _, order := range []string{"coffee", "tea", "milk", "a lot of coffee"} {
		if _, err := client.Request(ctx, 7, []byte(order)); err != nil {
			fmt.Println("  the client got", err)
		}
	}
	stop()
	<-served
	// Output:
	// coffee: "here you are", <nil>
	// tea: "", out of tea
	//   the client got remote: failed: out of tea
	// milk: "", remote: code 1500: sorry: what is milk?
	//   the client got remote: code 1500: sorry: what is milk?
	// a lot of coffee: "", remote: code 1413: 15 bytes exceed the limit of 10
	//   the client got remote: code 1413: 15 bytes exceed the limit of 10
}
