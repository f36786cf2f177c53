package plain_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"ipcmq/mq/sysv"
	"ipcmq/mux/rpc/plain"
)

// The types and the place of the id are those of the other program, which may be in
// any language; here it is in Go.
func Example() {
	q, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer q.Remove()
	pattern := plain.Pattern{RequestType: 100, ReplyType: 200, ID: plain.Field("id")}

	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() {
		served <- plain.Handle(ctx, q, pattern, func(_ context.Context, request []byte) ([]byte, error) {
			id, ok := pattern.ID(request)
			if !ok {
				return nil, errors.New("a request without an id") // gets no reply
			}
			return fmt.Appendf(nil, `{"id":%s,"weather":"rain"}`, id), nil
		}, nil)
	}()

	client, err := plain.NewClient(q, pattern, nil)
	if err != nil {
		log.Fatal(err)
	}
	reply, err := client.Request(ctx, []byte(`{"id":17,"city":"Bonn"}`))
	fmt.Println(string(reply), err)
	client.Close()
	stop()
	fmt.Println(<-served)
	// Output:
	// {"id":17,"weather":"rain"} <nil>
	// <nil>
}
