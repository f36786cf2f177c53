package mux_test

import (
	"context"
	"testing"

	"ipcmq/mq"
	"ipcmq/mux"
)

func BenchmarkRequest(b *testing.B) {
	q := newQueue(b, nil)
	server, client := newMux(b, q, nil), newMux(b, q, nil)
	handle(b, server, 7, func(_ context.Context, request []byte) ([]byte, error) { return request, nil }, nil)
	ctx := b.Context()
	data := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.Request(ctx, 7, data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSubscription(b *testing.B) {
	for _, types := range []int64{1, 1000} {
		b.Run(map[int64]string{1: "1 type", 1000: "1000 types"}[types], func(b *testing.B) {
			q := newQueue(b, nil)
			m := newMux(b, q, nil)
			subscribe(b, m, mq.Any(), &mux.SubscribeConfig{Unclaimed: true})
			var subs []*mux.Subscription
			for t := range types {
				subs = append(subs, subscribe(b, m, mq.Type(t+1), nil))
			}
			go func() {
				for i := range int64(b.N) {
					if q.Send(context.Background(), mq.Message{Type: i%types + 1, Data: make([]byte, 64)}) != nil {
						return
					}
				}
			}()
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				<-subs[int64(i)%types].Messages()
			}
		})
	}
}
