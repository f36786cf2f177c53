package sysv_test

import (
	"testing"

	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

// One message is sent, lent and acknowledged at a time; to compare with a plain
// send and receive.
func BenchmarkLeaseAndAck(b *testing.B) {
	q, err := sysv.Open(sysv.Key(0x6c656173), &sysv.Config{Exclusive: true})
	if err != nil {
		b.Fatal(err)
	}
	defer q.Close()
	defer q.Remove()
	r, err := q.SelectLeases(mq.Any())
	if err != nil {
		b.Fatal(err)
	}
	m := mq.Message{Type: 1, Data: make([]byte, 64)}
	b.Run("plain", func(b *testing.B) {
		for b.Loop() {
			if err := q.TrySend(m); err != nil {
				b.Fatal(err)
			}
			if err := q.TryReceiveInto(&m); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("lease", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := q.TrySend(m); err != nil {
				b.Fatal(err)
			}
			l, err := r.Lease(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			if err := l.Ack(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
