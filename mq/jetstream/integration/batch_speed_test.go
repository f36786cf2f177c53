package integration_test

import (
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
)

// BenchmarkSendBatch sends messages of 64 bytes one by one, in batches, and as
// nats.go does without waiting for each answer.
func BenchmarkSendBatch(b *testing.B) {
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
			url, name := startCluster(b, place.nodes).URL(), newName()
			q := openQueue(b, url, name, &jetstream.Config{Replicas: place.nodes, Storage: place.storage, MaxBytes: 2 << 30})
			m := mq.Message{Type: benchType, Data: make([]byte, 64)}
			b.Run("Send", func(b *testing.B) {
				for b.Loop() {
					if err := q.Send(b.Context(), m); err != nil {
						b.Fatal(err)
					}
				}
			})
			for _, n := range []int{4, 16, 64, 1000} {
				batch := make([]mq.Message, n)
				for i := range batch {
					batch[i] = m
				}
				b.Run(fmt.Sprint("SendBatch of ", n), func(b *testing.B) {
					for sent := 0; sent < b.N; sent += n {
						if _, err := q.SendBatch(b.Context(), batch); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
			b.Run("PublishAsync", func(b *testing.B) { benchPublishAsync(b, url, "ipcmq."+name+".type.1") })
		})
	}
}

func benchPublishAsync(b *testing.B, url, subject string) {
	nc, err := nats.Connect(url)
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	api, err := js.New(nc, js.WithPublishAsyncMaxPending(1000))
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for i := range b.N {
		if _, err := api.PublishAsync(subject, make([]byte, 64), js.WithMsgID(fmt.Sprint(b.N, "-", i))); err != nil {
			b.Fatal(err)
		}
	}
	<-api.PublishAsyncComplete()
}
