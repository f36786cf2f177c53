package large_test

import (
	"fmt"
	"testing"

	"ipcmq/mq"
)

func BenchmarkSendReceive(b *testing.B) {
	for _, n := range []int{64 << 10, 1 << 20, 16 << 20} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			q := wrap(b, newQueue(b, true), nil)
			m, data := mq.Message{}, pattern(n)
			b.SetBytes(int64(n))
			for b.Loop() {
				if err := q.TrySend(mq.Message{Type: 1, Data: data}); err != nil {
					b.Fatal(err)
				}
				if err := q.TryReceiveInto(&m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
