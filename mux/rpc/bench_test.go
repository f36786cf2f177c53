package rpc_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
)

// BenchmarkRequest makes requests of 64 bytes from several callers at once,
// answered by a server in the same process.
func BenchmarkRequest(b *testing.B) {
	for _, callers := range []int{1, 2, 4, 16, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			q := newQueue(b, nil)
			client := newClient(b, q)
			serve(b, q, 7, func(_ context.Context, request []byte) ([]byte, error) { return request, nil }, nil)
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

// BenchmarkFullInboxes has 64 callers whose replies of 3000 bytes keep their
// inbox full, which holds five.
func BenchmarkFullInboxes(b *testing.B) {
	q := newQueue(b, nil)
	client := newClient(b, q)
	serve(b, q, 7, func(context.Context, []byte) ([]byte, error) { return make([]byte, 3000), nil }, nil)
	b.ReportAllocs()
	b.ResetTimer()
	var group sync.WaitGroup
	for c := range 64 {
		group.Go(func() {
			for i := c; i < b.N; i += 64 {
				if _, err := client.Request(context.Background(), 7, nil); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}
