package integration_test

import (
	"fmt"
	"sync"
	"testing"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
)

// BenchmarkTypes subscribes to 20 types, each of which costs the servers a consumer, in
// turn and from 16 goroutines.
func BenchmarkTypes(b *testing.B) {
	for _, nodes := range []int{1, 3} {
		url := startCluster(b, nodes).URL()
		for _, parallel := range []int{1, 16} {
			b.Run(fmt.Sprintf("%d nodes, %d at once", nodes, parallel), func(b *testing.B) {
				for b.Loop() {
					q := openQueue(b, url, newName(), &jetstream.Config{Replicas: nodes})
					types := make(chan int64)
					var all sync.WaitGroup
					for range parallel {
						all.Go(func() {
							for t := range types {
								if _, err := q.Select(mq.Type(t)); err != nil {
									b.Error(err)
								}
							}
						})
					}
					for t := range int64(20) {
						types <- t + 1
					}
					close(types)
					all.Wait()
					if err := q.Remove(); err != nil {
						b.Error(err)
					}
				}
			})
		}
	}
}
