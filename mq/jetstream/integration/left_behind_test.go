package integration_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
)

// connect makes a connection for OpenConn, whose subscriptions can be counted.
func connect(t *testing.T, url string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, nats.ReconnectBufSize(-1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func openOver(t *testing.T, nc *nats.Conn, name string) *jetstream.Queue {
	t.Helper()
	q, err := jetstream.OpenConn(t.Context(), nc, name, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

// own is how many subscriptions nats.go makes for itself, for the answers to
// requests.
const own = 1

func TestSelectorsOfThePastLeaveNoSubscriptions(t *testing.T) {
	t.Parallel()
	nc := connect(t, startServer(t, nil))
	q := openOver(t, nc, "types")
	for typ := range int64(50) {
		r, err := q.Select(mq.Type(typ + 1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.TryReceive(); !errors.Is(err, mq.ErrEmpty) {
			t.Fatal(err)
		}
	}
	if n := nc.NumSubscriptions(); n > own+1 {
		t.Errorf("%d subscriptions after selecting 50 types", n)
	}
}

func TestManyReceiversLeaveFewSubscriptions(t *testing.T) {
	t.Parallel()
	nc := connect(t, startServer(t, nil))
	q := openOver(t, nc, "many")
	const receivers = 200
	var all sync.WaitGroup
	for range receivers {
		all.Go(func() {
			if _, err := q.Receive(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	await(t, func() error {
		if n := nc.NumSubscriptions(); n < receivers {
			return errors.New("not all of them wait")
		}
		return nil
	})
	for range receivers {
		if err := q.Send(t.Context(), mq.Message{Type: 1}); err != nil {
			t.Fatal(err)
		}
	}
	all.Wait()
	if n := nc.NumSubscriptions(); n > receivers/2 {
		t.Errorf("%d subscriptions are left of %d receivers", n, receivers)
	}
}

func TestCloseEndsAnInboxThatIsJustMade(t *testing.T) {
	t.Parallel()
	nc := connect(t, startServer(t, nil))
	for range 300 {
		q := openOver(t, nc, "inboxes")
		begun := make(chan struct{})
		var made sync.WaitGroup
		for range 3 {
			made.Go(func() {
				<-begun
				in, err := q.NewInbox()
				if err != nil {
					return
				}
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				if _, err := in.Receive(ctx); !errors.Is(err, mq.ErrClosed) {
					t.Error(err)
				}
			})
		}
		close(begun)
		<-time.After(rand.N(200 * time.Microsecond)) // any moment of making it
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		made.Wait()
		if n := nc.NumSubscriptions(); n > own {
			t.Fatalf("%d subscriptions are left", n)
		}
	}
}
