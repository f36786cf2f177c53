package mux_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"ipcmq/mq"
	"ipcmq/mux"
)

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
