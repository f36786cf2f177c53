package integration_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/nats-io/nats.go"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
)

func init() {
	roles["numbers"] = sendNumbers
	roles["take"] = takeNumbers
}

// untilEnd returns a context that ends when the standard input does.
func untilEnd() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return ctx
}

// sendNumbers sends numbered messages, and writes to its standard output the
// result of each: sent; not sent, when the error said so; or in doubt. Its
// arguments are the URL and the queue, its own name, how long a Send may take, and
// perhaps "first", to connect to the first server of the URL.
func sendNumbers() {
	end := untilEnd()
	url, name, self := os.Args[1], os.Args[2], os.Args[3]
	most, err := time.ParseDuration(os.Args[4])
	must(err)
	cfg := &jetstream.Config{OpenOnly: true}
	if len(os.Args) > 5 {
		cfg.NATS = []nats.Option{nats.DontRandomize()}
	}
	q, err := jetstream.Open(context.Background(), url, name, cfg)
	must(err)
	defer q.Close()
	pause := time.NewTicker(5 * time.Millisecond)
	var longest time.Duration
	for i := 0; end.Err() == nil; i++ {
		number := fmt.Sprintf("%s-%d", self, i)
		start := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), most)
		err := q.Send(ctx, mq.Message{Type: int64(i%3) + 1, Data: []byte(number)})
		cancel()
		longest = max(longest, time.Since(start))
		switch {
		case err == nil:
			fmt.Println("sent", number)
		case errors.Is(err, mq.ErrInDoubt):
			fmt.Println("doubt", number)
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, mq.ErrUnavailable):
			fmt.Println("unsent", number)
		default:
			must(err)
		}
		<-pause.C
	}
	fmt.Println("longest", longest)
}

// takeNumbers takes messages, and writes each to its standard output with its
// sequence, which is 0 if it is not known. Its arguments are the URL and the
// queue, and how to take: "lease" or "receive".
func takeNumbers() {
	end := untilEnd()
	q, err := jetstream.Open(context.Background(), os.Args[1], os.Args[2], &jetstream.Config{OpenOnly: true})
	must(err)
	defer q.Close()
	take := func() error {
		m, err := q.Receive(end)
		if err == nil {
			fmt.Println("got", string(m.Data), 0)
		}
		return err
	}
	if os.Args[3] == "lease" {
		r, err := q.SelectLeases(mq.Any())
		must(err)
		take = func() error {
			l, err := r.Lease(end)
			if err != nil {
				return err
			}
			fmt.Println("got", string(l.Message().Data), l.Sequence())
			for {
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				err := l.Ack(ctx)
				cancel()
				if !errors.Is(err, mq.ErrInDoubt) && !errors.Is(err, mq.ErrUnavailable) {
					return err
				}
				fmt.Println("unacknowledged", string(l.Message().Data))
			}
		}
	}
	for {
		if err := take(); errors.Is(err, context.Canceled) {
			return
		} else {
			must(err)
		}
	}
}
