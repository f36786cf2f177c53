package integration_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/stream"
	"ipcmq/stream/lease"
)

// BenchmarkPipelines moves messages of 64 bytes in every way that does not wait for an
// answer after each, along with those that do, and with nats.go on the same servers.
// Messages that are received were sent before the measurement.
func BenchmarkPipelines(b *testing.B) {
	for _, place := range []struct {
		name    string
		nodes   int
		storage jetstream.Storage
	}{
		{"one node, memory", 1, jetstream.Memory},
		{"one node, disk", 1, jetstream.File},
		{"three nodes, disk", 3, jetstream.File},
	} {
		b.Run(place.name, func(b *testing.B) {
			url := startCluster(b, place.nodes).URL()
			queue := func(b *testing.B) *jetstream.Queue {
				q := openQueue(b, url, newName(), &jetstream.Config{Replicas: place.nodes, Storage: place.storage, MaxBytes: 2 << 30})
				b.Cleanup(func() { q.Remove() })
				return q
			}
			b.Run("Receive", func(b *testing.B) { benchReceive(b, filled(b, queue(b))) })
			b.Run("stream", func(b *testing.B) { benchFilledStream(b, filled(b, queue(b))) })
			for _, n := range []int{1, 16, 256} {
				b.Run(fmt.Sprint("Handle, Concurrency ", n), func(b *testing.B) { benchHandle(b, filled(b, queue(b)), n) })
			}
			b.Run("Consume and Ack", func(b *testing.B) { benchConsume(b, url, filled(b, queue(b))) })
			for _, n := range []int{1, 16, 64} {
				b.Run(fmt.Sprint("Send of ", n), func(b *testing.B) { benchSends(b, queue(b), n) })
			}
			b.Run("SendBatch", func(b *testing.B) {
				q := queue(b)
				b.ResetTimer()
				prefill(b, q, b.N)
			})
			b.Run("PublishAsync", func(b *testing.B) {
				q := queue(b)
				b.ResetTimer()
				benchPublishAsync(b, url, "ipcmq."+q.Name()+".type.1")
			})
		})
	}
}

// prefill sends n messages.
func prefill(b *testing.B, q mq.Queue, n int) {
	all := make([]mq.Message, n)
	for i := range all {
		all[i] = mq.Message{Type: benchType, Data: make([]byte, 64)}
	}
	if _, err := mq.SendBatch(b.Context(), q, all); err != nil {
		b.Fatal(err)
	}
}

// filled returns q with as many messages as are measured.
func filled(b *testing.B, q *jetstream.Queue) *jetstream.Queue {
	prefill(b, q, b.N)
	b.ResetTimer()
	return q
}

func benchReceive(b *testing.B, q mq.Queue) {
	var m mq.Message
	for range b.N {
		if err := q.ReceiveInto(b.Context(), &m); err != nil {
			b.Fatal(err)
		}
	}
}

func benchFilledStream(b *testing.B, q mq.Queue) {
	s, err := stream.New(q, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for range b.N {
		if _, ok := <-s.Messages(); !ok {
			b.Fatal(s.Err())
		}
	}
}

func benchHandle(b *testing.B, q mq.Queue, concurrency int) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var handled atomic.Int64
	err := lease.Handle(ctx, q, func(context.Context, lease.Delivery) error {
		if handled.Add(1) == int64(b.N) {
			cancel()
		}
		return nil
	}, &lease.Config{Concurrency: concurrency, Drain: -1})
	if err != nil {
		b.Fatal(err)
	}
}

func benchConsume(b *testing.B, url string, q *jetstream.Queue) {
	nc, err := nats.Connect(url)
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	api, err := js.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	c, err := api.CreateConsumer(b.Context(), "IPCMQ_"+q.Name(), js.ConsumerConfig{Durable: "c", AckPolicy: js.AckExplicitPolicy, MaxAckPending: -1})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	handled := 0
	consuming, err := c.Consume(func(m js.Msg) {
		if err := m.Ack(); err != nil {
			b.Error(err)
		}
		if handled++; handled == b.N {
			close(done)
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	<-done
	consuming.Stop()
}

func benchSends(b *testing.B, q mq.Queue, senders int) {
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	var all sync.WaitGroup
	for range senders {
		all.Go(func() {
			m := mq.Message{Type: benchType, Data: make([]byte, 64)}
			for left.Add(-1) >= 0 {
				if err := q.Send(b.Context(), m); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}
