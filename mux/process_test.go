package mux_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
	"ipcmq/mux"
)

func init() {
	roles["sender"] = sender
	roles["receiver"] = receiver
}

// processTypes is the number of message types between the processes.
const processTypes = 8

// ownQueue opens the queue whose id is the first argument of a child process.
func ownQueue() *sysv.Queue {
	q, err := sysv.OpenID(argument(1), nil)
	must(err)
	return q
}

func argument(i int) int {
	n, err := strconv.Atoi(os.Args[i])
	must(err)
	return n
}

// must ends a child process that has failed.
func must(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%v: %v\n", os.Args, err)
		os.Exit(1)
	}
}

// sender sends messages of all types in turn. Its second argument is its
// number, the third how many messages to send.
func sender() {
	q, self, n := ownQueue(), uint32(argument(2)), argument(3)
	for i := range n {
		must(q.Send(context.Background(), numbered{int64(i%processTypes) + 1, self, uint32(i / processTypes)}.message()))
	}
}

// receiver has subscriptions that come and go, and immediately writes each
// message that it gets to its standard output; at SIGTERM it shuts down. With
// "on" as second argument it uses callbacks too.
func receiver() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	m, err := mux.New(ownQueue(), nil)
	must(err)
	fmt.Println("ready")
	var mu sync.Mutex
	seen := make(map[numbered]bool) // overlapping subscriptions get a message each
	find := func(msg mq.Message) {
		mu.Lock()
		defer mu.Unlock()
		key := number(msg)
		if seen[key] {
			return
		}
		seen[key] = true
		_, err := os.Stdout.Write(append(binary.LittleEndian.AppendUint64(nil, uint64(key.typ)), msg.Data...))
		must(err)
	}
	var churners sync.WaitGroup
	for range processChurners {
		churners.Go(func() {
			for ctx.Err() == nil {
				way := rand.IntN(7)
				if way == byOn && os.Args[2] != "on" {
					continue
				}
				must(churn(ctx, m, newAccount("receiver"), processTypes, way, find))
			}
		})
	}
	churners.Wait()
	must(m.Shutdown(context.Background()))
	if m.Orphans() != 0 {
		must(fmt.Errorf("%d messages were taken for nobody", m.Orphans()))
	}
}

// processChurners is the number of subscriptions that a receiver has at a time.
const processChurners = 2

// inHand is the maximum number of messages that a receiver without callbacks
// can have taken but not written yet: four in the channel of each subscription,
// one that its goroutine is about to write, and one in each reader, of which
// there is one per type.
const inHand = processChurners*(4+1) + processTypes

func start(tb testing.TB, role string, args ...string) (*exec.Cmd, *bufio.Reader) {
	tb.Helper()
	cmd := testutil.Command(tb, role, args...)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		tb.Error(err) // not Fatal, for goroutines
	}
	return cmd, bufio.NewReader(out)
}

// startReady starts a process and waits until it is ready for signals.
func startReady(tb testing.TB, role string, args ...string) (*exec.Cmd, *bufio.Reader) {
	tb.Helper()
	cmd, out := start(tb, role, args...)
	if line, err := out.ReadString('\n'); line != "ready\n" || err != nil {
		tb.Errorf("%s said %q, %v", role, line, err)
	}
	return cmd, out
}

// exchange runs three senders and three receivers. After some messages, the
// signal ends a receiver, and a new one replaces it. It returns how many were
// replaced and how many messages were lost. The last receivers get SIGTERM.
func exchange(t *testing.T, messages int, sig os.Signal, callbacks string) (replaced, lost int) {
	const senders, receivers = 3, 3
	q := newQueue(t, nil)
	id := strconv.Itoa(q.ID())

	var mu sync.Mutex
	count := make(map[numbered]int)
	replacements := 0

	allSent := make(chan struct{})
	var receiving sync.WaitGroup
	for range receivers {
		receiving.Go(func() {
			for over := false; !over; {
				cmd, out := startReady(t, "receiver", id, callbacks)
				patience := 200 + rand.IntN(max(messages/100, 200))
				ended := make(chan struct{})
				enough := make(chan struct{})
				go func() {
					defer close(ended)
					var record [16]byte
					for n := 0; ; n++ {
						if _, err := io.ReadFull(out, record[:]); err != nil {
							if err != io.EOF {
								t.Error(err)
							}
							return
						}
						key := numbered{int64(binary.LittleEndian.Uint64(record[:])),
							binary.LittleEndian.Uint32(record[8:]), binary.LittleEndian.Uint32(record[12:])}
						mu.Lock()
						count[key]++
						mu.Unlock()
						if n == patience {
							close(enough)
						}
					}
				}()
				last := sig
				select {
				case <-enough:
					mu.Lock()
					replacements++
					mu.Unlock()
				case <-allSent:
					over, last = true, syscall.SIGTERM
				case <-ended: // on its own: its status says why
				}
				cmd.Process.Signal(last)
				<-ended
				err := cmd.Wait()
				if killed := last == os.Kill && err != nil && err.Error() == "signal: killed"; err != nil && !killed {
					t.Errorf("a receiver has ended with %v", err)
					return
				}
			}
		})
	}

	var sending sync.WaitGroup
	perSender := messages / senders
	for s := range senders {
		sending.Go(func() {
			cmd, _ := start(t, "sender", id, strconv.Itoa(s), strconv.Itoa(perSender))
			if err := cmd.Wait(); err != nil {
				t.Errorf("a sender has ended with %v", err)
			}
		})
	}
	sending.Wait()
	close(allSent)
	receiving.Wait()

	left := 0
	for {
		m, err := q.TryReceive()
		if errors.Is(err, mq.ErrEmpty) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		count[number(m)]++
		left++
	}
	doubled := 0
	for s := range uint32(senders) {
		for i := range perSender {
			switch n := count[numbered{int64(i%processTypes) + 1, s, uint32(i / processTypes)}]; {
			case n == 0:
				lost++
			case n > 1:
				doubled++
			}
		}
	}
	t.Logf("%d messages of %d types from %d senders to %d receivers, which %v ended and others replaced %d times: %d lost, %d doubled; %d were left in the queue",
		senders*perSender, processTypes, senders, receivers, sig, replacements, lost, doubled, left)
	if doubled > 0 {
		t.Errorf("%d messages came twice", doubled)
	}
	if len(count)+lost != senders*perSender {
		t.Errorf("%d messages came and %d did not, of %d", len(count), lost, senders*perSender)
	}
	return replacements, lost
}

// TestReceiversThatShutDownOnSIGTERMLoseNothing runs with a million messages if
// IPCMQ_MESSAGES=1000000.
func TestReceiversThatShutDownOnSIGTERMLoseNothing(t *testing.T) {
	replaced, lost := exchange(t, fromEnv(t, "IPCMQ_MESSAGES", 30_000), syscall.SIGTERM, "on")
	if lost > 0 || replaced == 0 {
		t.Errorf("%d lost, %d replaced", lost, replaced)
	}
}

func TestKilledReceiversLoseOnlyWhatTheyHeld(t *testing.T) {
	replaced, lost := exchange(t, fromEnv(t, "IPCMQ_MESSAGES", 30_000), os.Kill, "no callbacks")
	if lost > replaced*inHand || replaced == 0 {
		t.Errorf("%d lost by %d receivers; each can have held %d", lost, replaced, inHand)
	}
	if replaced > 0 {
		t.Logf("%.1f lost by each that was killed, of at most %d", float64(lost)/float64(replaced), inHand)
	}
}
