package integration_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/mq/jetstream/internal/bridge"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

func init() {
	roles["bridge"] = func() { os.Exit(bridge.Main(os.Args[1:])) }
}

// A bridgeProcess is the command ipcmq-bridge, running.
type bridgeProcess struct {
	*exec.Cmd
	out  bytes.Buffer // standard output; to read when it has ended
	text said         // standard error
}

// said is what a process says meanwhile.
type said struct {
	mu   sync.Mutex
	text []byte
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = append(s.text, b...)
	return len(b), nil
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.text)
}

func startBridge(t *testing.T, args ...string) *bridgeProcess {
	t.Helper()
	b := &bridgeProcess{Cmd: testutil.Command(t, "bridge", args...)}
	b.Stdout, b.Stderr = &b.out, &b.text
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	return b
}

// wait waits until the process has ended, and compares its status and what it
// says.
func (b *bridgeProcess) wait(t *testing.T, status int, texts ...string) {
	t.Helper()
	b.Wait()
	text := b.text.String()
	if got := b.ProcessState.ExitCode(); got != status {
		t.Errorf("%v: status %d, not %d, after\n%s", b.Args[1:], got, status, text)
	}
	for _, want := range texts {
		if !strings.Contains(text, want) {
			t.Errorf("%v: it says\n%s, and nothing of %q", b.Args[1:], text, want)
		}
	}
}

// says waits until the process says text.
func (b *bridgeProcess) says(t *testing.T, text string) {
	t.Helper()
	await(t, func() error {
		if got := b.text.String(); !strings.Contains(got, text) {
			return fmt.Errorf("%v: it says\n%s, and nothing of %q", b.Args[1:], got, text)
		}
		return nil
	})
}

// stop sends SIGTERM and waits like wait.
func (b *bridgeProcess) stop(t *testing.T, status int, texts ...string) {
	t.Helper()
	if err := b.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	b.wait(t, status, texts...)
}

// kill sends SIGKILL.
func (b *bridgeProcess) kill(t *testing.T) {
	t.Helper()
	if err := b.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	b.Wait()
}

// newKernelQueue makes a System V queue, and returns its address too.
func newKernelQueue(t *testing.T) (*sysv.Queue, string) {
	t.Helper()
	q, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		q.Remove() // unless the test has
		q.Close()
	})
	return q, fmt.Sprint("id:", q.ID())
}

// newPosixQueue makes a POSIX queue, whose name is its address.
func newPosixQueue(t *testing.T) *posix.Queue {
	t.Helper()
	q, err := posix.Open(fmt.Sprintf("/bridge-%d-%s", os.Getpid(), newName()), &posix.Config{Exclusive: true, MaxMessages: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		posix.Unlink(q.Name()) // unless the test has
		q.Close()
	})
	return q
}

func sendAll(t *testing.T, q mq.Sender, messages ...mq.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, m := range messages {
		if err := q.Send(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
}

// receiveAll receives messages and compares them.
func receiveAll(t *testing.T, q mq.Receiver, messages ...mq.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for i, want := range messages {
		m, err := q.Receive(ctx)
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		if m.Type != want.Type || m.Priority != want.Priority || !bytes.Equal(m.Data, want.Data) {
			t.Errorf("message %d: got %.80v, not %.80v", i, m, want)
		}
	}
}

// holds waits until a queue on JetStream has so many messages.
func holds(t *testing.T, q *jetstream.Queue, messages, lent int64) {
	t.Helper()
	await(t, func() error {
		s, err := q.Stat(t.Context())
		if err == nil && (s.Messages != messages || s.Lent != lent) {
			err = fmt.Errorf("%d messages, %d of them lent, not %d and %d", s.Messages, s.Lent, messages, lent)
		}
		return err
	})
}

func kernelHolds(t *testing.T, q *sysv.Queue, messages int64) {
	t.Helper()
	await(t, func() error {
		s, err := q.Stat()
		if err == nil && s.Messages != messages {
			err = fmt.Errorf("%d messages, not %d", s.Messages, messages)
		}
		return err
	})
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

	// A type that is no priority stays where it is.
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

// What can be neither sent nor put back is told.
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

// fill fills a queue with messages of 8000 bytes, so that there is room for one
// more only when one was received.
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

// A bridge that has slept longer than its lease leaves the message to who has it.
func TestBridgeDoesNotSendWhatItHasNoLongerOnLease(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	js := openQueue(t, url, "slept", &jetstream.Config{AckWait: 400 * time.Millisecond})
	kernel, id := newKernelQueue(t)
	full := fill(t, kernel)
	extended := extends(t, url, js.Name())
	b := startBridge(t, "-server", url, "-v", "js:slept", id)
	sendAll(t, js, mq.Message{Type: 5, Data: make([]byte, 8000)})
	extended(t) // so the bridge has the message, and knows well how long
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

func TestBridgeEndsWithItsQueues(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	removals := map[string]func(t *testing.T, js *jetstream.Queue) (args []string, remove func() error){
		"kernel source": func(t *testing.T, js *jetstream.Queue) ([]string, func() error) {
			kernel, id := newKernelQueue(t)
			return []string{id, "js:" + js.Name()}, kernel.Remove
		},
		"kernel target": func(t *testing.T, js *jetstream.Queue) ([]string, func() error) {
			kernel, id := newKernelQueue(t)
			return []string{"js:" + js.Name(), id}, kernel.Remove
		},
		"JetStream source": func(t *testing.T, js *jetstream.Queue) ([]string, func() error) {
			_, id := newKernelQueue(t)
			return []string{"js:" + js.Name(), id}, js.Remove
		},
		"JetStream target": func(t *testing.T, js *jetstream.Queue) ([]string, func() error) {
			_, id := newKernelQueue(t)
			return []string{id, "js:" + js.Name()}, js.Remove
		},
		"POSIX source": func(t *testing.T, js *jetstream.Queue) ([]string, func() error) {
			q := newPosixQueue(t)
			return []string{"-priorities", q.Name(), "js:" + js.Name()}, func() error { return posix.Unlink(q.Name()) }
		},
		// The bridge has a message in hand by then.
		"POSIX target": func(t *testing.T, js *jetstream.Queue) ([]string, func() error) {
			q := newPosixQueue(t)
			for q.TrySend(mq.Message{}) == nil {
			}
			sendAll(t, js, mq.Message{Type: 1, Data: []byte("stays")})
			return []string{"-priorities", "js:" + js.Name(), q.Name()}, func() error {
				holds(t, js, 1, 1)
				if err := posix.Unlink(q.Name()); err != nil {
					return err
				}
				_, err := q.Receive(t.Context()) // there is room now, in the queue that is gone
				return err
			}
		},
	}
	for name, prepare := range removals {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := openQueue(t, url, newName(), nil)
			args, remove := prepare(t, js)
			b := startBridge(t, append([]string{"-server", url}, args...)...)
			if name != "POSIX target" {
				// It is at work when a message has come through.
				crossOnce(t, js, args)
			}
			if err := remove(); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(name, "POSIX") {
				b.wait(t, 1, "unlinked")
			} else {
				b.wait(t, 1, "removed")
			}
			if name == "POSIX target" {
				receiveAll(t, js, mq.Message{Type: 1, Data: []byte("stays")}) // and is not lost with the queue
			}
		})
	}
}

// crossOnce has one message cross a bridge with the arguments args.
func crossOnce(t *testing.T, js *jetstream.Queue, args []string) {
	t.Helper()
	from, to := args[len(args)-2], args[len(args)-1]
	kernel := func(address string) mq.Queue {
		var id int
		if _, err := fmt.Sscanf(address, "id:%d", &id); err == nil {
			q, err := sysv.OpenID(id, nil)
			if err != nil {
				t.Fatal(err)
			}
			return q
		}
		q, err := posix.Open(address, &posix.Config{OpenOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	if strings.HasPrefix(from, "js:") {
		q := kernel(to)
		defer q.Close()
		sendAll(t, js, mq.Message{Type: 1})
		receiveAll(t, q, mq.Message{Type: 1})
		holds(t, js, 0, 0)
		return
	}
	q := kernel(from)
	defer q.Close()
	sendAll(t, q, mq.Message{Type: 32768})
	receiveAll(t, js, mq.Message{Type: 32768})
}

func TestBridgeLeavesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	kernel, id := newKernelQueue(t)
	small := openQueue(t, url, "small", &jetstream.Config{MaxBytes: 2048})
	large := mq.Message{Type: 5, Data: make([]byte, 3000)}
	sendAll(t, kernel, large, mq.Message{Type: 1})
	startBridge(t, "-server", url, id, "js:small").wait(t, 1, "3000 bytes", "MaxBytes = 2048", "back at the end of "+id)
	receiveAll(t, kernel, mq.Message{Type: 1}, large)
	holds(t, small, 0, 0)

	larger := mq.Message{Type: 5, Data: make([]byte, 1<<17)}
	for word, mode := range modes {
		js := openQueue(t, url, "large-"+word, &jetstream.Config{Mode: mode})
		sendAll(t, js, larger)
		startBridge(t, "-server", url, "js:"+js.Name(), id).wait(t, 1, "131072 bytes", "kernel.msgmax")
		receiveAll(t, js, larger)
	}
	kernelHolds(t, kernel, 0)
}

func TestBridgeCreatesQueuesWhenTold(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	key, err := sysv.Ftok(t.TempDir(), 'b')
	if err != nil {
		t.Fatal(err)
	}
	startBridge(t, "-server", url, key.String(), "js:new").wait(t, 1, "open", key.String())
	_, id := newKernelQueue(t)
	startBridge(t, "-server", url, id, "js:new").wait(t, 1, "no such queue")

	b := startBridge(t, "-server", url, "-create", key.String(), "js:new")
	var kernel *sysv.Queue
	await(t, func() (err error) {
		kernel, err = sysv.Open(key, &sysv.Config{OpenOnly: true})
		return err
	})
	defer func() { kernel.Remove(); kernel.Close() }()
	sendAll(t, kernel, mq.Message{Type: 2})
	var js *jetstream.Queue
	await(t, func() (err error) {
		js, err = jetstream.Open(t.Context(), url, "new", &jetstream.Config{OpenOnly: true})
		return err
	})
	defer js.Close()
	receiveAll(t, js, mq.Message{Type: 2})
	b.stop(t, 0)
}

func TestBridgeRefusesWhatCannotBeMeant(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, text string }{
		{"", "FROM and TO"},
		{"42", "FROM and TO"},
		{"42 js:a -v", "FROM and TO"},
		{"-what 42 js:a", "-what"},
		{"42 43", "both queues of the kernel"},
		{"js:a js:b", "both on JetStream"},
		{"js: 42", "the name of the queue is missing"},
		{"js:a.b 42", "cannot be in the name"},
		{"0 js:a", "it is a key"},
		{"id:x js:a", "the id is a number"},
		{"ftok:/etc js:a", "ftok:PATH,A"},
		{"ftok:/etc,300 js:a", "a number up to 255"},
		{"ftok:/not/there,A js:a", "no such file"},
		{"-type !0 42 js:a", "it is 0 (any)"},
		{"-type 7 -priorities /jobs js:a", "messages of POSIX queues have no type"},
		{"/jobs js:a", "with -priorities, priority P is type 32768-P"},
		{"js:a /jobs", "with -priorities, priority P is type 32768-P"},
		{"-priorities 42 js:a", "neither 42 nor js:a is a POSIX queue"},
		{"-grace -1s 42 js:a", "-grace -1s"},
		{"-cert a 42 js:a", "-cert and -key"},
		{"-creds /not/there 42 js:a", "open /not/there"},
		{"-ca /not/there 42 js:a", "open /not/there"},
	} {
		kernel, id := newKernelQueue(t)
		args := strings.Fields(c.args)
		for i := range args {
			if args[i] == "42" && strings.Contains(c.args, "a.b") {
				args[i] = id // this is found when the queue is opened
			}
		}
		startBridge(t, args...).wait(t, 2, c.text, "see ipcmq-bridge -h")
		kernelHolds(t, kernel, 0)
	}
	b := startBridge(t, "-h")
	b.wait(t, 0)
	if !strings.Contains(b.out.String(), "ipcmq-bridge -server nats://10.0.0.5:4222 0x2a js:orders") || b.text.String() != "" {
		t.Errorf("the help is %q and %q", b.out.String(), b.text.String())
	}
}
