package codec_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strconv"

	"ipcmq/mq"
	"ipcmq/mq/codec"
	"ipcmq/mq/mqtest"
)

func Example() {
	type Order struct {
		ID   int    `json:"id"`
		Item string `json:"item"`
	}
	ctx := context.Background()
	q := mqtest.New(nil) // or sysv.Open, posix.Open
	defer q.Close()

	orders := codec.NewSender(q, mq.Message{Type: 1}, codec.JSON[Order]())
	if err := orders.Send(ctx, Order{1, "tea"}); err != nil {
		log.Fatal(err)
	}
	// Whoever may write to the queue may write anything.
	if err := q.Send(ctx, mq.Message{Type: 1, Data: []byte("not JSON")}); err != nil {
		log.Fatal(err)
	}
	if err := orders.Send(ctx, Order{2, "cake"}); err != nil {
		log.Fatal(err)
	}

	for order, err := range codec.All(mq.All(ctx, q), codec.JSON[Order]()) {
		var bad *codec.Error
		switch {
		case errors.As(err, &bad):
			fmt.Printf("not an order: %q\n", bad.Message.Data)
			continue
		case err != nil:
			log.Fatal(err)
		}
		fmt.Printf("%d: %s\n", order.ID, order.Item)
		if order.ID == 2 {
			break
		}
	}
	// Output:
	// 1: tea
	// not an order: "not JSON"
	// 2: cake
}

// A pair of functions is a codec too, here of decimal numbers.
func ExampleCodec() {
	numbers := codec.Codec[int]{
		Encode: func(n int) ([]byte, error) { return strconv.AppendInt(nil, int64(n), 10), nil },
		Decode: func(data []byte) (int, error) { return strconv.Atoi(string(data)) },
	}
	n, err := numbers.Value(mq.Message{Type: 1, Data: []byte("42")})
	fmt.Println(n, err)
	_, err = numbers.Value(mq.Message{Type: 1, Data: []byte("many")})
	fmt.Println(err)
	// Output:
	// 42 <nil>
	// mq: decode message of type 1, 4 bytes: strconv.Atoi: parsing "many": invalid syntax
}
