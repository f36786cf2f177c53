package integration_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
)

// Those who wait for room or for a message look again by themselves, every 250
// and 500 ms. They must be woken before that.

// wakings is how many calls are woken for one median, which must be less than soon.
// Each call has looked just before, so that without being woken it would take
// nearly 250 ms.
const (
	wakings = 5
	soon    = 125 * time.Millisecond
)

// median fails the test unless the median of some times is short. A busy machine
// may need several tries.
func median(t *testing.T, measure func(t *testing.T) (time.Duration, error)) {
	t.Helper()
	var times [wakings]time.Duration
	for range 10 {
		var errs [wakings]error
		var all sync.WaitGroup
		for i := range wakings {
			all.Go(func() { times[i], errs[i] = measure(t) })
		}
		all.Wait()
		if err := errors.Join(errs[:]...); err != nil {
			t.Fatal(err)
		}
		slices.Sort(times[:])
		if times[wakings/2] < soon {
			t.Logf("median %v, longest %v", times[wakings/2], times[wakings-1])
			return
		}
	}
	t.Errorf("in 10 tries the median was not less than %v; the last times were %v", soon, times)
}

// A counter counts the messages on a subject, such as those of one queue.
type counter struct {
	mu sync.Mutex
	n  map[string]int
}

func countMessages(t *testing.T, url, subject string) *counter {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	c := &counter{n: map[string]int{}}
	_, err = nc.Subscribe(subject, func(m *nats.Msg) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.n[m.Subject]++
	})
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *counter) count(subject string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[subject]
}

// reach waits until there were n messages on a subject.
func (c *counter) reach(subject string, n int) error {
	return eventually(func() error {
		if got := c.count(subject); got < n {
			return fmt.Errorf("%s: %d messages, not %d", subject, got, n)
		}
		return nil
	})
}

// openTwo opens a new queue twice.
func openTwo(t *testing.T, url string, cfg *jetstream.Config) (one, two *jetstream.Queue, err error) {
	name := newName()
	if one, err = jetstream.Open(t.Context(), url, name, cfg); err != nil {
		return nil, nil, err
	}
	t.Cleanup(func() { one.Close() })
	if two, err = jetstream.Open(t.Context(), url, name, nil); err != nil {
		return nil, nil, err
	}
	t.Cleanup(func() { two.Close() })
	return one, two, nil
}

func TestASenderIsWokenWhenThereIsRoom(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	receive := func(ctx context.Context, q *jetstream.Queue) (func() error, error) {
		return func() error { _, err := q.TryReceive(); return err }, nil
	}
	for _, test := range []struct {
		name string
		mode jetstream.Mode
		take func(context.Context, *jetstream.Queue) (func() error, error) // prepares what makes room
	}{
		{"Receive of leases", jetstream.LeaseMode, receive},
		{"Receive of claims", jetstream.ClaimMode, receive},
		{"Ack", jetstream.LeaseMode, func(ctx context.Context, q *jetstream.Queue) (func() error, error) {
			r, err := q.SelectLeases(mq.Any())
			if err != nil {
				return nil, err
			}
			l, err := r.Lease(ctx)
			return func() error { return l.Ack(ctx) }, err
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			tries := countMessages(t, url, "ipcmq.*.type.*")
			median(t, func(t *testing.T) (took time.Duration, err error) {
				q, other, err := openTwo(t, url, &jetstream.Config{Mode: test.mode, Storage: jetstream.Memory, MaxMessages: 1})
				if err != nil {
					return 0, err
				}
				if err := q.Send(t.Context(), mq.Message{Type: 1}); err != nil {
					return 0, err
				}
				take, err := test.take(t.Context(), q)
				if err != nil {
					return 0, err
				}
				send := sending(t.Context(), other, mq.Message{Type: 2})
				subject := "ipcmq." + q.Name() + ".type.2"
				// Until the pauses between the tries, which double, are 250 ms long;
				// and then until the next one.
				if err := tries.reach(subject, 11); err != nil {
					return 0, err
				}
				if err := tries.reach(subject, tries.count(subject)+1); err != nil {
					return 0, err
				}
				start := time.Now()
				if err := take(); err != nil {
					return 0, err
				}
				err = <-send.done
				return time.Since(start), err
			})
		})
	}
}

func TestAReceiverOfClaimsIsWokenByAMessage(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	looks := countMessages(t, url, "$JS.API.STREAM.MSG.GET.*")
	median(t, func(t *testing.T) (time.Duration, error) {
		q, other, err := openTwo(t, url, &jetstream.Config{Mode: jetstream.ClaimMode, Storage: jetstream.Memory})
		if err != nil {
			return 0, err
		}
		receive := receiving(t.Context(), other)
		if err := looks.reach("$JS.API.STREAM.MSG.GET."+streamOf(q.Name()), 2); err != nil {
			return 0, err
		}
		start := time.Now()
		if err := q.Send(t.Context(), mq.Message{Type: 1}); err != nil {
			return 0, err
		}
		err = <-receive.done
		return time.Since(start), err
	})
}
