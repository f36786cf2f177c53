package mq_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
)

// Messages arrive in the order in which they were sent; the loop ends with a break,
// or after the first error.
func ExampleAll() {
	ctx := context.Background()
	q := mqtest.New(nil) // or sysv.Open, posix.Open
	defer q.Close()
	for _, line := range []string{"one", "two", "quit"} {
		if err := q.Send(ctx, mq.Message{Type: 1, Data: []byte(line)}); err != nil {
			log.Fatal(err)
		}
	}

	for m, err := range mq.All(ctx, q) {
		if err != nil {
			log.Fatal(err)
		}
		if string(m.Data) == "quit" {
			break
		}
		fmt.Printf("%s\n", m.Data)
	}
	// Output:
	// one
	// two
}

// A selector takes some types and leaves the others where they are.
func ExampleSelector() {
	ctx := context.Background()
	q := mqtest.New(nil)
	defer q.Close()
	for t := int64(1); t <= 4; t++ {
		if err := q.Send(ctx, mq.Message{Type: t, Data: fmt.Appendf(nil, "of type %d", t)}); err != nil {
			log.Fatal(err)
		}
	}

	for _, s := range []mq.Selector{mq.Type(3), mq.Except(1), mq.UpTo(4), mq.Any()} {
		r, err := q.Select(s)
		if err != nil {
			log.Fatal(err)
		}
		m, err := r.Receive(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%v: %s\n", s, m.Data)
	}
	// Output:
	// type 3: of type 3
	// except type 1: of type 2
	// up to type 4: of type 1
	// any: of type 4
}

// An error means that nothing was sent or taken; what it matches is the reason.
func ExampleError() {
	q := mqtest.New(&mqtest.Config{Capacity: 4})
	defer q.Close()

	_, err := q.TryReceive()
	fmt.Println(errors.Is(err, mq.ErrEmpty))
	if err := q.TrySend(mq.Message{Type: 1, Data: []byte("fill")}); err != nil {
		log.Fatal(err)
	}
	err = q.TrySend(mq.Message{Type: 1, Data: []byte("more")})
	fmt.Println(errors.Is(err, mq.ErrFull))
	err = q.TrySend(mq.Message{Type: -1})
	fmt.Println(errors.Is(err, mq.ErrInvalidType))
	// Output:
	// true
	// true
	// true
}

// Ask a queue what it can do instead of assuming it.
func ExampleCapabilities() {
	q := mqtest.New(nil)
	defer q.Close()
	can := q.Capabilities()
	fmt.Println("types:", can.MaxType > 0)
	_, lends := mq.As[mq.Leaser](q)
	fmt.Println("leases:", lends)
	// Output:
	// types: true
	// leases: true
}
