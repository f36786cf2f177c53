package integration_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/mq/jetstream/internal/bridge"
	"ipcmq/mq/sysv"
)

func init() {
	roles["bridge"] = func() { os.Exit(bridge.Main(os.Args[1:])) }
}

func TestBridgeKeepsTypes(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	messages := []mq.Message{
		{Type: 1, Data: []byte("one")},
		{Type: math.MaxInt32 + 1, Data: nil},
		{Type: 1, Data: []byte{0, 255, '\n'}},
		{Type: math.MaxInt64, Data: bytes.Repeat([]byte("x"), 8192)},
	}
	for word, mode := range modes {
		t.Run(word, func(t *testing.T) {
			t.Parallel()
			js := openQueue(t, url, "types-"+word, &jetstream.Config{Mode: mode})
			kernel, id := newKernelQueue(t)
			there := startBridge(t, "-v", "-server", url, id, "js:"+js.Name())
			sendAll(t, kernel, messages...)
			holds(t, js, int64(len(messages)), 0)
			there.stop(t, 0, "4 forwarded, 0 put back")

			other, otherID := newKernelQueue(t)
			back := startBridge(t, "-v", "-server", url, "js:"+js.Name(), otherID)
			receiveAll(t, other, messages...)
			holds(t, js, 0, 0)
			back.stop(t, 0, "4 forwarded, 0 put back")
		})
	}
}

func TestBridgeCarriesPrioritiesAsTypes(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	js := openQueue(t, url, "priorities", nil)
	from, to := newPosixQueue(t), newPosixQueue(t)
	sendAll(t, from,
		mq.Message{Priority: 0, Data: []byte("least")},
		mq.Message{Priority: 32767, Data: []byte("most")},
		mq.Message{Priority: 9, Data: []byte("nine")})
	there := startBridge(t, "-priorities", "-server", url, from.Name(), "js:priorities")
	receiveAll(t, js,
		mq.Message{Type: 1, Data: []byte("most")},
		mq.Message{Type: 32759, Data: []byte("nine")},
		mq.Message{Type: 32768, Data: []byte("least")})
	there.stop(t, 0)

	sendAll(t, js,
		mq.Message{Type: 32768, Data: []byte("least")},
		mq.Message{Type: 1, Data: []byte("most")},
		mq.Message{Type: 32759, Data: []byte("nine")})
	back := startBridge(t, "-priorities", "-server", url, "js:priorities", to.Name())
	holds(t, js, 0, 0)
	receiveAll(t, to,
		mq.Message{Priority: 32767, Data: []byte("most")},
		mq.Message{Priority: 9, Data: []byte("nine")},
		mq.Message{Priority: 0, Data: []byte("least")})

	// A message whose type is no priority stays where it is.
	sendAll(t, js, mq.Message{Type: 32769})
	back.wait(t, 1, "type 32769", "1 to 32768", "it stays there")
	receiveAll(t, js, mq.Message{Type: 32769})
}

func TestBridgeTakesWhatItSelects(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	ours, others := mq.Message{Type: 7, Data: []byte("ours")}, mq.Message{Type: 8, Data: []byte("others'")}
	kernel, id := newKernelQueue(t)
	lease := openQueue(t, url, "lease", nil)
	claim := openQueue(t, url, "claim", &jetstream.Config{Mode: jetstream.ClaimMode})
	sendAll(t, kernel, others, ours)
	sendAll(t, claim, ours, others)

	there := startBridge(t, "-server", url, "-type", "7", id, "js:lease")
	back := startBridge(t, "-server", url, "-type", "!7", "js:claim", id)
	holds(t, lease, 1, 0)
	holds(t, claim, 1, 0)
	kernelHolds(t, kernel, 2)
	there.stop(t, 0)
	back.stop(t, 0)
	receiveAll(t, kernel, others, others)
	receiveAll(t, lease, ours)
	receiveAll(t, claim, ours)

	startBridge(t, "-server", url, "-type", "-7", "js:lease", id).wait(t, 1, "lease mode cannot select up to type 7")
}

func TestBridgeWaitsForAServerThatIsAway(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1)
	js := openQueue(t, c.URL(), "away", nil)
	c.Nodes[0].Kill()
	kernel, id := newKernelQueue(t)
	early := startBridge(t, "-server", c.URL(), id, "js:away")
	useless := startBridge(t, "-server", c.URL(), id, "js:away")
	sendAll(t, kernel, mq.Message{Type: 5, Data: []byte("early")})
	useless.says(t, "trying again")
	useless.stop(t, 0)
	early.says(t, "trying again")
	if err := c.Nodes[0].Start(); err != nil {
		t.Fatal(err)
	}
	receiveAll(t, js, mq.Message{Type: 5, Data: []byte("early")})
	early.stop(t, 0)
}

func TestBridgeThatIsStoppedWithoutAServerPutsBack(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1)
	js := openQueue(t, c.URL(), "stopped", nil)
	kernel, id := newKernelQueue(t)
	b := startBridge(t, "-server", c.URL(), "-grace", "100ms", "-v", id, "js:stopped")
	sendAll(t, kernel, mq.Message{Type: 1, Data: []byte("before")})
	receiveAll(t, js, mq.Message{Type: 1, Data: []byte("before")})
	c.Nodes[0].Kill()
	sendAll(t, kernel, mq.Message{Type: 3, Data: []byte("in hand")})
	kernelHolds(t, kernel, 0)
	b.stop(t, 0, "back at the end of "+id, "1 forwarded, 1 put back")
	receiveAll(t, kernel, mq.Message{Type: 3, Data: []byte("in hand")})
}

// A message that can be neither sent nor put back is reported.
func TestBridgeTellsWhatItCannotPutBack(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1)
	js := openQueue(t, c.URL(), "told", nil)
	kernel, id := newKernelQueue(t)
	b := startBridge(t, "-server", c.URL(), "-grace", "100ms", id, "js:told")
	sendAll(t, kernel, mq.Message{Type: 1})
	receiveAll(t, js, mq.Message{Type: 1})
	c.Nodes[0].Kill()
	sendAll(t, kernel, mq.Message{Type: 3, Data: []byte("in hand")})
	kernelHolds(t, kernel, 0)
	if err := kernel.Remove(); err != nil {
		t.Fatal(err)
	}
	b.wait(t, 1, "nor put back", `{"type":3,"size":7,"data":"aW4gaGFuZA=="}`)
}

// fill fills a queue with messages of 8000 bytes, so that there is room for another
// only when one was received.
func fill(t *testing.T, q *sysv.Queue) (messages int) {
	t.Helper()
	for {
		err := q.TrySend(mq.Message{Type: 99, Data: make([]byte, 8000)})
		if errors.Is(err, mq.ErrFull) {
			return messages
		}
		if err != nil {
			t.Fatal(err)
		}
		messages++
	}
}

func TestBridgeKeepsALeaseWhileThereIsNoRoom(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	const wait = 400 * time.Millisecond
	waiting := mq.Message{Type: 5, Data: make([]byte, 8000)}
	for range 10 { // a busy machine may make the bridge late
		js := openQueue(t, url, newName(), &jetstream.Config{AckWait: wait})
		kernel, id := newKernelQueue(t)
		full := fill(t, kernel)
		b := startBridge(t, "-server", url, "-v", "js:"+js.Name(), id)
		sendAll(t, js, waiting)
		holds(t, js, 1, 1)

		// The lease would have run out meanwhile, several times.
		ctx, cancel := context.WithTimeout(t.Context(), 3*wait)
		l, err := leases(t, js, mq.Any()).Lease(ctx)
		cancel()
		if err == nil {
			t.Logf("somebody else got it, in attempt %d", l.Attempt())
			b.kill(t)
			continue
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		for range full {
			receiveAll(t, kernel, mq.Message{Type: 99, Data: waiting.Data})
		}
		receiveAll(t, kernel, waiting)
		holds(t, js, 0, 0)
		b.stop(t, 0, "1 forwarded, 0 put back")
		return
	}
	t.Fatal("somebody else got the message in each of 10 tries")
}

func TestBridgeThatIsStoppedGivesALeaseBack(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	js := openQueue(t, url, "given-back", &jetstream.Config{AckWait: time.Hour})
	kernel, id := newKernelQueue(t)
	waiting := mq.Message{Type: 5, Data: make([]byte, 8000)}
	fill(t, kernel)
	b := startBridge(t, "-server", url, "-grace", "100ms", "-v", "js:given-back", id)
	sendAll(t, js, waiting)
	holds(t, js, 1, 1)
	b.stop(t, 0, "0 forwarded, 1 put back")
	receiveAll(t, js, waiting)
}

// A bridge that was stopped for longer than its lease leaves the message to its new
// holder.
func TestBridgeDoesNotSendWhatItHasNoLongerOnLease(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	js := openQueue(t, url, "slept", &jetstream.Config{AckWait: 400 * time.Millisecond})
	kernel, id := newKernelQueue(t)
	full := fill(t, kernel)
	extended := extends(t, url, js.Name())
	b := startBridge(t, "-server", url, "-v", "js:slept", id)
	sendAll(t, js, mq.Message{Type: 5, Data: make([]byte, 8000)})
	extended(t) // so the bridge has the message, and knows for how long
	if err := b.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	receiveAll(t, js, mq.Message{Type: 5, Data: make([]byte, 8000)})
	next := mq.Message{Type: 6, Data: make([]byte, 8000)}
	sendAll(t, js, next)
	if err := b.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	holds(t, js, 1, 1)
	for range full {
		receiveAll(t, kernel, mq.Message{Type: 99, Data: next.Data})
	}
	receiveAll(t, kernel, next)
	holds(t, js, 0, 0)
	b.stop(t, 0, "1 forwarded")
	kernelHolds(t, kernel, 0)
}

// extends returns a function that waits until the lease of a message is extended.
func extends(t *testing.T, url, queue string) func(*testing.T) {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	words, err := nc.SubscribeSync("$JS.ACK." + streamOf(queue) + ".>")
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T) {
		t.Helper()
		for {
			m, err := words.NextMsg(30 * time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if string(m.Data) == "+WPI" {
				return
			}
		}
	}
}
