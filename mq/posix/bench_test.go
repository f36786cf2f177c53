package posix_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/posix"
)

func init() { roles["echo"] = echo }

// benchConfig has the default sizes, which C programs use too.
func benchConfig(blocking bool) *posix.Config {
	return &posix.Config{MaxMessages: 10, MaxMessageSize: 8192, Blocking: blocking}
}

func BenchmarkSendReceiveInto(b *testing.B) {
	for _, mode := range modes {
		b.Run(mode.name, func(b *testing.B) {
			q := newQueue(b, benchConfig(mode.blocking))
			ctx := context.Background()
			m := mq.Message{Data: make([]byte, 64, 8192)}
			b.ReportAllocs()
			for b.Loop() {
				if err := q.Send(ctx, m); err != nil {
					b.Fatal(err)
				}
				if err := q.ReceiveInto(ctx, &m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOneWay(b *testing.B) {
	for _, mode := range modes {
		b.Run(mode.name, func(b *testing.B) {
			q := newQueue(b, benchConfig(mode.blocking))
			ctx := context.Background()
			done := make(chan error)
			go func() {
				m := mq.Message{Data: make([]byte, 0, 8192)}
				for range b.N {
					if err := q.ReceiveInto(ctx, &m); err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
			m := mq.Message{Data: make([]byte, 64)}
			for range b.N {
				if err := q.Send(ctx, m); err != nil {
					b.Fatal(err)
				}
			}
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		})
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	for _, mode := range modes {
		b.Run(mode.name, func(b *testing.B) {
			to, from := newQueue(b, benchConfig(mode.blocking)), newQueue(b, benchConfig(mode.blocking))
			other := testutil.Command(b, "echo", to.Name(), from.Name(), fmt.Sprint(mode.blocking))
			if err := other.Start(); err != nil {
				b.Fatal(err)
			}
			ctx := context.Background()
			m := mq.Message{Data: make([]byte, 64, 8192)}
			b.ReportAllocs()
			for b.Loop() {
				if err := to.Send(ctx, m); err != nil {
					b.Fatal(err)
				}
				if err := from.ReceiveInto(ctx, &m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// echo sends back every message it receives. Its arguments: from-name to-name
// blocking.
func echo() {
	cfg := &posix.Config{OpenOnly: true, Blocking: os.Args[3] == "true"}
	from, err := posix.Open(os.Args[1], cfg)
	if err != nil {
		panic(err)
	}
	to, err := posix.Open(os.Args[2], cfg)
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	m := mq.Message{Data: make([]byte, 0, 8192)}
	for {
		if err := from.ReceiveInto(ctx, &m); err != nil {
			panic(err)
		}
		if err := to.Send(ctx, m); err != nil {
			panic(err)
		}
	}
}
