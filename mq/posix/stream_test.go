package posix_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"ipcmq/mq"
	"ipcmq/mq/posix"
	"ipcmq/stream"
)

func TestAStreamCarriesAQueue(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			const n = 500
			q := newQueue(t, &posix.Config{MaxMessages: 4, MaxMessageSize: 32, Blocking: mode.blocking})
			s, err := stream.New(q, nil)
			if err != nil {
				t.Fatal(err)
			}
			other := open(t, q.Name(), &posix.Config{Access: mq.WriteOnly})
			sent := make(chan error, 1)
			go func() {
				var err error
				for i := 0; i < n && err == nil; i++ {
					err = other.Send(t.Context(), mq.Message{Priority: 7, Data: fmt.Append(nil, i)})
				}
				sent <- err
			}()
			i := 0
			for m := range s.Messages() {
				if string(m.Data) != fmt.Sprint(i) || m.Priority != 7 || m.Type != 0 {
					t.Fatalf("message %d is %+v", i, m)
				}
				if i++; i == n {
					if err := s.Shutdown(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
			if err := <-sent; err != nil || i != n {
				t.Errorf("%d of %d messages, %v", i, n, err)
			}
			if err := q.Check(); err != nil {
				t.Errorf("the queue after its stream: %v", err)
			}
		})
	}
}

func TestAStreamByTypeIsRefused(t *testing.T) {
	_, err := stream.New(newQueue(t, nil), &stream.Config{Select: mq.Type(1)})
	wants(t, err, errors.ErrUnsupported, "priorities and no types")
}

func BenchmarkStream(b *testing.B) {
	for _, mode := range modes {
		b.Run(mode.name, func(b *testing.B) {
			q := newQueue(b, benchConfig(mode.blocking))
			s, err := stream.New(q, nil)
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			go func() {
				m := mq.Message{Data: make([]byte, 64)}
				for range b.N {
					if err := q.Send(context.Background(), m); err != nil {
						b.Error(err)
						return
					}
				}
			}()
			for range b.N {
				<-s.Messages()
			}
		})
	}
}
