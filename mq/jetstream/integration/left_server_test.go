package integration_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
)

// A server whose answers are lost stands for one that is cut off from the others: it
// answers only pings.
func TestAConnectionMovesOnlyFromAServerThatDoesNotServe(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	for _, test := range []struct {
		name  string
		mute  string // part of the subjects of requests that are not answered
		moves bool
		call  func(q *jetstream.Queue) error
	}{
		{"nothing", ".", true, func(q *jetstream.Queue) error { _, err := q.TryReceive(); return err }},
		{"what is to be stored", "type.", true, func(q *jetstream.Queue) error { return q.TrySend(mq.Message{Type: 1}) }},
		{"one queue", "CONSUMER", false, func(q *jetstream.Queue) error { _, err := q.TryReceive(); return err }},
	} {
		for _, own := range []bool{true, false} {
			t.Run(fmt.Sprint(test.name, ", made by Open: ", own), func(t *testing.T) {
				t.Parallel()
				p := startProxy(t, url)
				var moved atomic.Int32
				options := []nats.Option{nats.DontRandomize(), nats.ReconnectHandler(func(*nats.Conn) { moved.Add(1) })}
				name := newName()
				var q *jetstream.Queue
				if own {
					q = openQueue(t, p.url+","+url, name, &jetstream.Config{NATS: options})
				} else {
					nc, err := nats.Connect(p.url+","+url, append(options, nats.ReconnectBufSize(-1))...)
					if err != nil {
						t.Fatal(err)
					}
					defer nc.Close()
					q = openOver(t, nc, name)
				}
				p.to(test.mute, lose)
				if !own || !test.moves {
					for start := time.Now(); time.Since(start) < 7*time.Second; {
						if err := test.call(q); !errors.Is(err, mq.ErrUnavailable) && !errors.Is(err, mq.ErrInDoubt) {
							t.Fatal(err)
						}
					}
					if n := moved.Load(); n != 0 {
						t.Errorf("the connection was moved %d times", n)
					}
					return
				}
				await(t, func() error {
					if err := test.call(q); err != nil && !errors.Is(err, mq.ErrEmpty) {
						return err
					}
					return nil
				})
				if n := moved.Load(); n != 1 {
					t.Errorf("the connection was moved %d times", n)
				}
			})
		}
	}
}
