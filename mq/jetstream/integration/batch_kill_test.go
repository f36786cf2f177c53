package integration_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/mq/jetstream/integration/server"
	"ipcmq/stream"
	"ipcmq/stream/lease"
)

func TestNoBatchIsLostOrTornWhenServersAreKilled(t *testing.T) {
	t.Parallel()
	for _, nodes := range []int{1, 3} {
		t.Run(strconv.Itoa(nodes), func(t *testing.T) {
			t.Parallel()
			killInBatches(t, startCluster(t, nodes))
		})
	}
}

// killInBatches kills the leader of a queue again and again, between the first
// and the last message of batches.
func killInBatches(t *testing.T, c *server.Cluster) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(kills(t))*3*time.Minute)
	defer cancel()
	open := func() *jetstream.Queue {
		return openQueue(t, c.URL(), "batches", &jetstream.Config{Replicas: len(c.Nodes), AckWait: 5 * time.Second})
	}
	counts := newTally()
	sending, stop := context.WithCancel(ctx)
	var senders, receivers sync.WaitGroup
	defer senders.Wait()
	defer stop()
	for name, most := range map[string]time.Duration{"patient": time.Minute, "hasty": 300 * time.Millisecond} {
		q := open()
		senders.Go(func() { counts.sendBatches(sending, t, q, name, most) })
	}
	receiving, end := context.WithCancel(ctx)
	defer receivers.Wait()
	defer end()
	for _, take := range []func(context.Context, *testing.T, *jetstream.Queue){counts.takeBatches, counts.handle, counts.stream} {
		q := open()
		receivers.Go(func() { take(receiving, t, q) })
	}
	advance := func() {
		t.Helper()
		n := counts.sent("patient") + 2000
		await(t, func() error {
			if got := counts.sent("patient"); got < n {
				return fmt.Errorf("%d of %d messages are sent", got, n)
			}
			return nil
		})
	}
	for range 2 * kills(t) {
		advance()
		leader, err := c.Leader(ctx, streamOf("batches"))
		if err != nil {
			t.Fatal(err)
		}
		leader.Kill()
		if len(c.Nodes) > 1 {
			advance()
		}
		if err := leader.Start(); err != nil {
			t.Fatal(err)
		}
		advance()
		if err := c.CatchUp(ctx); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	senders.Wait()
	if err := eventually(counts.missing); err != nil {
		logState(t, c.URL(), streamOf("batches"))
		t.Fatal(err)
	}
	end()
	receivers.Wait()
	last, err := c.Last(ctx, streamOf("batches"))
	if err != nil {
		t.Fatal(err)
	}
	counts.torn(t)
	if len(c.Nodes) > 1 { // a single server forgets the ids of received messages
		counts.check(t, "batches", last)
	}
}

// batchOf is how many messages a batch of the test has.
const batchOf = 100

// sendBatches sends batches of numbers until ctx ends, trying each for most.
func (c *tally) sendBatches(ctx context.Context, t *testing.T, q *jetstream.Queue, name string, most time.Duration) {
	pause := time.NewTicker(5 * time.Millisecond)
	defer pause.Stop()
	for first := 0; ctx.Err() == nil; first += batchOf {
		for c.waiting() > 20*batchOf && ctx.Err() == nil {
			<-pause.C // sending is much faster than receiving
		}
		limited, cancel := context.WithTimeout(t.Context(), most)
		all := make([]mq.Message, batchOf)
		for i := range all {
			all[i] = mq.Message{Type: 1, Data: fmt.Append(nil, name, "-", first+i)}
		}
		sent, err := q.SendBatch(limited, all)
		cancel()
		c.mu.Lock()
		c.batched += sent
		for i, m := range all {
			what := "sent"
			switch {
			case i < sent:
			case errors.Is(err, mq.ErrInDoubt):
				what = "doubt"
			case errors.Is(err, context.DeadlineExceeded), errors.Is(err, mq.ErrUnavailable):
				what = "unsent"
			default:
				t.Errorf("%s: %v", name, err)
			}
			c.sends[string(m.Data)] = what
		}
		c.mu.Unlock()
	}
}

// waiting returns about how many messages are sent but not received.
func (c *tally) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.batched - len(c.takes)
}

// takeBatches takes messages until ctx ends.
func (c *tally) takeBatches(ctx context.Context, t *testing.T, q *jetstream.Queue) {
	r, err := q.SelectLeases(mq.Any())
	if err != nil {
		t.Error(err)
		return
	}
	for {
		batch, err := r.LeaseBatch(ctx, 256)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			t.Error(err)
			return
		}
		var acks sync.WaitGroup
		for _, l := range batch {
			c.took(string(l.Message().Data), fmt.Sprint(l.Sequence()))
			acks.Go(func() {
				if err := l.Ack(t.Context()); errors.Is(err, mq.ErrInDoubt) || errors.Is(err, mq.ErrUnavailable) {
					c.mu.Lock()
					c.inDoubt++
					c.mu.Unlock()
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		acks.Wait()
	}
}

// handle handles messages, taking some in advance, until ctx ends.
func (c *tally) handle(ctx context.Context, t *testing.T, q *jetstream.Queue) {
	err := lease.Handle(ctx, q, func(_ context.Context, d lease.Delivery) error {
		c.took(string(d.Data), fmt.Sprint(d.Sequence))
		return nil
	}, &lease.Config{Concurrency: 4})
	if err != nil {
		t.Error(err)
	}
}

// stream receives messages, many at once, until ctx ends.
func (c *tally) stream(ctx context.Context, t *testing.T, q *jetstream.Queue) {
	s, err := stream.New(q, nil)
	if err != nil {
		t.Error(err)
		return
	}
	defer s.Close()
	for m, err := range s.All(ctx) {
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			t.Error(err)
			return
		}
		c.took(string(m.Data), "")
	}
}

// took records that a message was received; the sequence is "" if it is not known.
func (c *tally) took(number, sequence string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.takes[number] = append(c.takes[number], sequence)
}

// torn fails the test if a part of a batch has arrived without the rest, which no
// error allows.
func (c *tally) torn(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	parts := map[string]int{}
	for number := range c.sends {
		name, digits, _ := strings.Cut(number, "-")
		first, _ := strconv.Atoi(digits)
		if len(c.takes[number]) > 0 {
			parts[fmt.Sprint(name, "-", first-first%batchOf)]++
		}
	}
	for batch, n := range parts {
		if n != batchOf {
			t.Errorf("%d of %d messages of the batch that begins with %s have arrived; it was %s", n, batchOf, batch, c.sends[batch])
		}
	}
}
