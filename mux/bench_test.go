package mux_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"ipcmq/mq"
	"ipcmq/mux"
)

// BenchmarkRequest makes requests of 64 bytes from some callers at once, that a
// mux of its own answers in the same process.
func BenchmarkRequest(b *testing.B) {
	for _, callers := range []int{1, 2, 4, 16, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			q := newQueue(b, nil)
			server, client := newMux(b, q, nil), newMux(b, q, nil)
			handle(b, server, 7, func(_ context.Context, request []byte) ([]byte, error) { return request, nil }, nil)
			b.ReportAllocs()
			b.ResetTimer()
			var group sync.WaitGroup
			for c := range callers {
				group.Go(func() {
					data := make([]byte, 64)
					for i := c; i < b.N; i += callers {
						if _, err := client.Request(context.Background(), 7, data); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			group.Wait()
		})
	}
}

// BenchmarkSubscription receives messages of 64 bytes through subscriptions to
// single types under one reader of all, and reports the threads of the process.
func BenchmarkSubscription(b *testing.B) {
	for _, types := range []int64{1, 1000} {
		b.Run(fmt.Sprintf("types=%d", types), func(b *testing.B) {
			q := newQueue(b, nil)
			m := newMux(b, q, nil)
			subscribe(b, m, mq.Any(), &mux.SubscribeConfig{Unclaimed: true})
			var subs []*mux.Subscription
			for t := range types {
				subs = append(subs, subscribe(b, m, mq.Type(t+1), nil))
			}
			n := int64(b.N)
			go func() {
				data := make([]byte, 64)
				for i := range n {
					if q.Send(context.Background(), mq.Message{Type: i%types + 1, Data: data}) != nil {
						return
					}
				}
			}()
			b.ReportAllocs()
			b.ResetTimer()
			for i := range n {
				<-subs[i%types].Messages()
			}
			b.StopTimer()
			tasks, err := os.ReadDir("/proc/self/task")
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(len(tasks)), "threads")
		})
	}
}
