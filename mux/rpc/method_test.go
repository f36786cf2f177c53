package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
	"testing"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/codec"
	"ipcmq/mq/mqtest"
	"ipcmq/mq/sysv"
	"ipcmq/mux/rpc"
)

// A method, declared once, serves clients and servers.
func ExampleMethod() {
	type Order struct {
		Item  string
		Count int
	}
	price := rpc.Method[Order, float64]{Type: 7, Request: codec.JSON[Order](), Reply: codec.JSON[float64]()}

	q, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	defer q.Remove()
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
	served := make(chan error)
	go func() {
		served <- price.Handle(ctx, q, func(_ context.Context, o Order) (float64, error) {
			if o.Item != "pen" {
				return 0, fmt.Errorf("there is no %s", o.Item)
			}
			return 1.5 * float64(o.Count), nil
		}, nil)
	}()

	client, err := rpc.NewClient(q, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	fmt.Println(price.Call(ctx, client, Order{"pen", 3}))
	fmt.Println(price.Call(ctx, client, Order{"book", 1}))
	stop()
	<-served
	// Output:
	// 4.5 <nil>
	// 0 remote: failed: there is no book
}

func TestMethodsReportWhatCannotBeEncodedOrDecoded(t *testing.T) {
	q := newQueue(t, nil)
	client := newClient(t, q)
	numbers := codec.JSON[int]()
	m := rpc.Method[int, int]{Type: 7, Request: numbers, Reply: codec.Codec[int]{
		Encode: func(v int) ([]byte, error) {
			switch v {
			case 2:
				return nil, errors.New("two cannot be written")
			case 3:
				return []byte("three"), nil
			}
			return numbers.Encode(v)
		},
		Decode: numbers.Decode,
	}}
	serve(t, q, 7, m.Handler(func(_ context.Context, v int) (int, error) {
		if v == 4 {
			return 0, &rpc.RemoteError{Code: 1044, Text: "no four"}
		}
		return v, nil
	}), nil)
	if got, err := m.Call(t.Context(), client, 1); got != 1 || err != nil {
		t.Errorf("got %d, %v", got, err)
	}
	var remote *rpc.RemoteError
	if _, err := m.Call(t.Context(), client, 2); !errors.As(err, &remote) || remote.Code != rpc.CodeFailed || !strings.Contains(remote.Text, "two cannot be written") {
		t.Errorf("a reply that is not encoded: %v", err)
	}
	var bad *codec.Error
	if _, err := m.Call(t.Context(), client, 3); !errors.As(err, &bad) || string(bad.Message.Data) != "three" {
		t.Errorf("a reply that is not decoded: %v", err)
	}
	if _, err := m.Call(t.Context(), client, 4); !errors.As(err, &remote) || remote.Code != 1044 {
		t.Errorf("an error of the handler: %v", err)
	}
	text := rpc.Method[string, int]{Type: 7, Request: codec.Text[string](), Reply: numbers}
	if _, err := text.Call(t.Context(), client, "no number"); !errors.As(err, &remote) || remote.Code != rpc.CodeBadRequest {
		t.Errorf("a request that is not decoded: %v", err)
	}
	none := rpc.Method[func(), int]{Type: 7, Request: codec.JSON[func()](), Reply: numbers}
	if _, err := none.Call(t.Context(), client, nil); err == nil || !strings.Contains(err.Error(), "request of type 7: ") {
		t.Errorf("a request that is not encoded: %v", err)
	}
	if st := client.Stats(); st.Sent != 5 || st.Answered != 5 {
		t.Errorf("%+v", st)
	}
	other := mqtest.New(nil)
	defer other.Close()
	if err := m.Handle(t.Context(), other, nil, nil); !errors.Is(err, mq.ErrInvalidConfig) {
		t.Errorf("no handler: %v", err)
	}
}
