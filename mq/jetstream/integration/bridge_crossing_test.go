package integration_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/mq/jetstream/integration/server"
	"ipcmq/mq/sysv"
)

// A crossing is numbered messages that cross a bridge, while something happens
// to it.
type crossing struct {
	cluster *server.Cluster
	bridge  *bridgeProcess
	args    []string
	source  mq.Queue
	target  func(context.Context) (number int, err error) // receives
	left    func() (int64, error)                         // messages in the source
	n       int
	sent    chan struct{} // closed when all are sent

	mu  sync.Mutex
	got []int // numbers, as they came
}

// startCrossing starts to send n messages, for a bridge that is started later.
// from is "kernel", or the word for a mode.
func startCrossing(t *testing.T, from string, n int) *crossing {
	t.Helper()
	c := &crossing{cluster: startCluster(t, 1), n: n, sent: make(chan struct{})}
	kernel, id := newKernelQueue(t)
	mode := modes[from]
	if from == "kernel" {
		mode = jetstream.LeaseMode
	}
	js := openQueue(t, c.cluster.URL(), "crossing", &jetstream.Config{Mode: mode, AckWait: ackWait(mode, time.Second)})
	c.args = []string{"-server", c.cluster.URL(), "-v"}
	if from == "kernel" {
		c.args = append(c.args, id, "js:crossing")
		c.source, c.left, c.target = kernel, kernelLeft(kernel), leasing(t, js)
	} else {
		c.args = append(c.args, "js:crossing", id)
		c.source, c.left, c.target = js, jetstreamLeft(t, js), receivingNumbers(kernel)
	}
	var both sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	both.Go(func() { defer close(c.sent); c.send(ctx, t) })
	both.Go(func() { c.receive(ctx, t) })
	t.Cleanup(func() { cancel(); both.Wait() })
	return c
}

func kernelLeft(q *sysv.Queue) func() (int64, error) {
	return func() (int64, error) {
		s, err := q.Stat()
		return int64(s.Messages), err
	}
}

func jetstreamLeft(t *testing.T, q *jetstream.Queue) func() (int64, error) {
	return func() (int64, error) {
		s, err := q.Stat(t.Context())
		return s.Messages, err
	}
}

func receivingNumbers(q mq.Queue) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		m, err := q.Receive(ctx)
		if err != nil {
			return 0, err
		}
		return numberOf(m)
	}
}

// leasing receives what is stored in a queue, each message once: those that come
// again because an acknowledgment was lost are recognized by their sequence.
func leasing(t *testing.T, q *jetstream.Queue) func(context.Context) (int, error) {
	r, err := q.SelectLeases(mq.Any())
	if err != nil {
		t.Fatal(err)
	}
	known := map[uint64]bool{}
	return func(ctx context.Context) (int, error) {
		for {
			l, err := r.Lease(ctx)
			if err != nil {
				return 0, err
			}
			short, cancel := context.WithTimeout(ctx, 5*time.Second)
			l.Ack(short) // or it comes again
			cancel()
			if !known[l.Sequence()] {
				known[l.Sequence()] = true
				return numberOf(l.Message())
			}
		}
	}
}

// numbered returns message i, and numberOf returns i.
func numbered(i int) mq.Message {
	return mq.Message{Type: int64(i%3) + 1, Data: []byte(strconv.Itoa(i))}
}

func numberOf(m mq.Message) (int, error) {
	i, err := strconv.Atoi(string(m.Data))
	if err == nil && m.Type != numbered(i).Type {
		err = fmt.Errorf("message %d has the type %d", i, m.Type)
	}
	return i, err
}

func (c *crossing) send(ctx context.Context, t *testing.T) {
	for i := range c.n {
		if err := c.source.Send(ctx, numbered(i)); err != nil {
			t.Errorf("send %d: %v", i, err)
			return
		}
	}
}

func (c *crossing) receive(ctx context.Context, t *testing.T) {
	for {
		i, err := c.target(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			t.Errorf("receive: %v", err)
			return
		}
		c.mu.Lock()
		c.got = append(c.got, i)
		c.mu.Unlock()
	}
}

// advance waits until n messages have crossed.
func (c *crossing) advance(t *testing.T, n int) {
	t.Helper()
	await(t, func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.got) < n {
			return fmt.Errorf("%d of %d messages have crossed", len(c.got), n)
		}
		return nil
	})
}

func (c *crossing) allSent(t *testing.T) {
	t.Helper()
	select {
	case <-c.sent:
	case <-time.After(time.Minute):
		t.Fatal("the messages are not all sent after a minute")
	}
}

// finish waits until all have crossed, and returns how many messages were lost,
// how many came too often, and how often one came before one with a lower number.
func (c *crossing) finish(t *testing.T) (lost, doubled, back int) {
	t.Helper()
	c.allSent(t)
	await(t, func() error {
		n, err := c.left()
		if err == nil && n > 0 {
			err = fmt.Errorf("%d messages have not crossed", n)
		}
		return err
	})
	// What the bridge has in hand is sent before what comes after it.
	sendAll(t, c.source, numbered(c.n))
	await(t, func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.got) == 0 || c.got[len(c.got)-1] != c.n {
			return fmt.Errorf("the mark after %d messages has not crossed", c.n)
		}
		return nil
	})
	c.bridge.stop(t, 0)
	c.mu.Lock()
	defer c.mu.Unlock()
	times := make([]int, c.n+1)
	for i, number := range c.got {
		times[number]++
		if i > 0 && number < c.got[i-1] {
			back++
		}
	}
	for _, n := range times {
		switch {
		case n == 0:
			lost++
		default:
			doubled += n - 1
		}
	}
	return lost, doubled, back
}

// crossings are the sources that a bridge has.
var crossings = []string{"kernel", "lease", "claim"}

func TestBridgeThatIsStoppedLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	for _, from := range crossings {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			const rounds = 8
			c := startCrossing(t, from, 2000)
			c.bridge = startBridge(t, c.args...)
			for i := 1; i <= rounds; i++ {
				c.bridge.says(t, "forwarding") // or there is nothing to stop
				c.advance(t, i*c.n/(rounds+1))
				c.bridge.stop(t, 0, "0 put back") // since there is a server and room
				c.bridge = startBridge(t, c.args...)
			}
			lost, doubled, back := c.finish(t)
			mayBeBack := 0
			if from == "lease" { // what was lent when the bridge was stopped comes again
				mayBeBack = rounds
			}
			if lost > 0 || doubled > 0 || back > mayBeBack {
				t.Errorf("%d lost, %d doubled, %d before their turn, of %d", lost, doubled, back, c.n)
			}
		})
	}
}

func TestBridgeThatIsKilledLosesOrDoublesOneAtMost(t *testing.T) {
	t.Parallel()
	for _, from := range crossings {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			const rounds = 12
			c := startCrossing(t, from, 2000)
			c.bridge = startBridge(t, c.args...)
			for i := 1; i <= rounds; i++ {
				c.bridge.says(t, "forwarding")
				c.advance(t, i*c.n/(rounds+1))
				c.bridge.kill(t)
				c.bridge = startBridge(t, c.args...)
			}
			lost, doubled, _ := c.finish(t)
			t.Logf("killed %d times: %d lost, %d doubled, of %d", rounds, lost, doubled, c.n)
			mayLose, mayDouble := rounds, 0
			if from == "lease" {
				mayLose, mayDouble = 0, rounds
			}
			if lost > mayLose || doubled > mayDouble {
				t.Errorf("%d lost, %d doubled, of %d, after %d kills", lost, doubled, c.n, rounds)
			}
		})
	}
}

func TestBridgeOutlivesItsServer(t *testing.T) {
	t.Parallel()
	for _, from := range crossings {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			const rounds = 3
			c := startCrossing(t, from, 1500)
			if from != "kernel" {
				c.allSent(t) // so that only what the bridge does is in doubt
			}
			c.bridge = startBridge(t, c.args...)
			node := c.cluster.Nodes[0]
			for i := 1; i <= rounds; i++ {
				c.advance(t, i*c.n/(rounds+1))
				node.Kill()
				if err := node.Start(); err != nil {
					t.Fatal(err)
				}
			}
			lost, doubled, _ := c.finish(t)
			t.Logf("server killed %d times: %d lost, %d doubled, of %d", rounds, lost, doubled, c.n)
			// A claim in doubt is sent, and may come again. A message that is sent
			// again may have been received before its server was killed, which
			// then no longer knows it.
			mayDouble := rounds
			if from == "lease" {
				mayDouble = 0
			}
			if lost > 0 || doubled > mayDouble {
				t.Errorf("%d lost, %d doubled, of %d, after %d kills of the server", lost, doubled, c.n, rounds)
			}
		})
	}
}
