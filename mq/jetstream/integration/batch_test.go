package integration_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/batch"
	"ipcmq/mq/jetstream"
	"ipcmq/mq/mqtest"
	"ipcmq/stream/lease"
)

// A batched queue is a queue of batches that the contract can remove.
type batched struct {
	*batch.Queue
	beneath *jetstream.Queue
}

func (q batched) Remove() error { return q.beneath.Remove() }

func newBatched(t *testing.T, url, name string, cfg *jetstream.Config) batched {
	t.Helper()
	q := openQueue(t, url, name, cfg)
	b, err := batch.New(q, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return batched{b, q}
}

func TestContractOfBatches(t *testing.T) {
	url := start(t, nil).URL()
	cfg := jetstream.Config{Mode: jetstream.LeaseMode, Storage: jetstream.Memory, AckWait: 300 * time.Millisecond, MaxBytes: 2048}
	mqtest.TestQueue(t, func(t *testing.T) func() mq.Queue {
		name := newName()
		q := openQueue(t, url, name, &cfg)
		t.Cleanup(func() { q.Remove() }) // fails where the test has removed it
		return func() mq.Queue { return newBatched(t, url, name, nil) }
	})
}

func init() { roles["handle frames"] = handleFrames }

// handleFrames handles messages and writes each to its standard output, but for
// "killer", which kills it, and "bad", which fails. Its arguments are the URL and
// the queue.
func handleFrames() {
	q, err := jetstream.Open(context.Background(), os.Args[1], os.Args[2], &jetstream.Config{OpenOnly: true})
	must(err)
	b, err := batch.New(q, nil)
	must(err)
	must(lease.Handle(untilEnd(), b, func(_ context.Context, d lease.Delivery) error {
		switch string(d.Data) {
		case "killer":
			must(syscall.Kill(os.Getpid(), syscall.SIGKILL))
		case "bad":
			return errors.New("bad")
		}
		fmt.Printf("handled %s\n", d.Data)
		return nil
	}, &lease.Config{
		MaxAttempts: 3,
		RetryDelay:  func(int, error) time.Duration { return 50 * time.Millisecond },
		DeadLetter: func(_ context.Context, d lease.Delivery, _ error) error {
			fmt.Printf("dead %s\n", d.Data)
			return nil
		},
	}))
}

// TestOneMessageOfAFrameDoesNotTakeTheOthersAlong sends frames in which one message
// fails, and one kills its holders: both end as dead letters, and only they.
func TestOneMessageOfAFrameDoesNotTakeTheOthersAlong(t *testing.T) {
	url, name := start(t, nil).URL(), newName()
	q := newBatched(t, url, name, &jetstream.Config{Mode: jetstream.LeaseMode, Storage: jetstream.Memory, AckWait: 500 * time.Millisecond})
	const each = 20
	want := map[string]bool{"dead bad": true, "dead killer": true}
	for i := range 2 * each {
		text := fmt.Sprint(i)
		want["handled "+text] = true
		switch i {
		case 5:
			text += ",bad"
		case 25:
			text += ",killer"
		}
		for _, text := range strings.Split(text, ",") {
			if err := q.Add(t.Context(), mq.Message{Type: 1, Data: []byte(text)}); err != nil {
				t.Fatal(err)
			}
		}
		if i%each == each-1 {
			if err := q.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := map[string]int{}
	kills := 0
	for len(got) < len(want) {
		cmd := testutil.Command(t, "handle frames", url, name)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(out); lines.Scan(); {
			got[lines.Text()]++
			if len(got) == len(want) {
				in.Close()
			}
		}
		if cmd.Wait() != nil {
			if kills++; kills > 3 {
				t.Fatalf("%d holders were killed; so far %v", kills, got)
			}
		}
	}
	twice := 0
	for line, n := range got {
		if !want[line] || n > 2 || n > 1 && strings.HasPrefix(line, "dead") {
			t.Errorf("%q came %d times", line, n)
		}
		twice += n - 1
	}
	t.Logf("%d holders were killed; %d messages were handled twice", kills, twice)
	if twice >= each {
		t.Errorf("%d messages were handled twice, of frames of %d", twice, each)
	}
	if st, err := q.beneath.Stat(t.Context()); err != nil || st.Messages != 0 {
		t.Errorf("left: %+v, %v", st, err)
	}
}
