package batch_test

import (
	"testing"

	"ipcmq/mq"
)

// Benchmark sends 64 bytes in full frames and receives them, in one goroutine.
func Benchmark(b *testing.B) {
	const perFrame = 120
	for _, way := range []struct {
		name  string
		reuse bool
	}{{"Receive", false}, {"ReceiveInto", true}} {
		b.Run(way.name, func(b *testing.B) {
			q := start(b, newSysV(b), nil)
			out := mq.Message{Type: 1, Data: make([]byte, 64)}
			b.ReportAllocs()
			var m mq.Message
			for b.Loop() {
				for range perFrame {
					if err := q.Add(b.Context(), out); err != nil {
						b.Fatal(err)
					}
				}
				if err := q.Flush(b.Context()); err != nil {
					b.Fatal(err)
				}
				for range perFrame {
					if !way.reuse {
						m = mq.Message{}
					}
					if err := q.ReceiveInto(b.Context(), &m); err != nil || len(m.Data) != 64 {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*perFrame), "ns/message")
		})
	}
}
