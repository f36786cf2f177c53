package stream_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
	"ipcmq/stream"
)

func init() { roles["receiver"] = receiver }

// receiver prints each message of the queue whose id is its argument, until
// SIGTERM; then the counters of its stream.
func receiver() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	id, err := strconv.Atoi(os.Args[1])
	fail(err)
	q, err := sysv.OpenID(id, nil)
	fail(err)
	s, err := stream.New(q, &stream.Config{Buffer: 16})
	fail(err)
	fmt.Println("ready")
	down := make(chan error, 1)
	go func() {
		<-ctx.Done()
		down <- s.Shutdown(context.Background())
	}()
	out := bufio.NewWriter(os.Stdout)
	n := 0
	for m := range s.Messages() {
		fmt.Fprintf(out, "%s\n", m.Data)
		n++
	}
	fail(<-down)
	st := s.Stats()
	if st.Received != uint64(n) || st.Delivered != uint64(n) || st.Buffered != 0 {
		fail(fmt.Errorf("printed %d: %+v", n, st))
	}
	fmt.Fprintln(out, "end")
	fail(out.Flush())
}

// TestShutdownOnSIGTERMLosesNothing keeps replacing a receiving process while
// numbered messages come.
func TestShutdownOnSIGTERMLosesNothing(t *testing.T) {
	testutil.NotEmulated(t, "the emulator shows the process ids of queues wrongly")
	q := newQueue(t)
	const n = 5000
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		send(t, q, 1, 0, n)
	}()
	var got []int
	generations := 0
	for over := false; !over; generations++ {
		select {
		case <-sent: // this one takes the rest
			over = true
		default:
		}
		cmd := testutil.Command(t, "receiver", strconv.Itoa(q.ID()))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		if line, err := lines.ReadString('\n'); line != "ready\n" || err != nil {
			t.Fatalf("got %q, %v", line, err)
		}
		testutil.Await(t, func() error { // let it work: until it has taken something, or all is taken
			st, err := q.Stat()
			if err != nil {
				t.Fatal(err)
			}
			if over && st.Messages > 0 || !over && st.LastReceiver != cmd.Process.Pid {
				return fmt.Errorf("receiver %d: %+v", cmd.Process.Pid, st)
			}
			return nil
		})
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(lines)
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		all, ok := strings.CutSuffix(string(b), "end\n")
		if !ok {
			t.Fatalf("the output is truncated: %q", b)
		}
		for f := range strings.FieldsSeq(all) {
			i, err := strconv.Atoi(f)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, i)
		}
	}
	<-sent
	if st, _ := q.Stat(); st.Messages != 0 {
		t.Errorf("%d messages are left", st.Messages)
	}
	// One receiver at a time, so even the order holds.
	if len(got) != n || !slices.IsSorted(got) || got[0] != 0 || got[n-1] != n-1 {
		t.Errorf("%d of %d messages came through %d receivers, in order: %v", len(got), n, generations, slices.IsSorted(got))
	}
	t.Logf("%d messages through %d receivers", len(got), generations)
}

// TestAReceiverThatIsKilledLosesItsBufferAtMost tests the caveat of the
// package.
func TestAReceiverThatIsKilledLosesItsBufferAtMost(t *testing.T) {
	q := newQueue(t)
	cmd := testutil.Command(t, "stalled", strconv.Itoa(q.ID()))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" || err != nil {
		t.Fatalf("got %q, %v", line, err)
	}
	send(t, q, 1, 0, 50)
	testutil.Await(t, func() error { // with a Buffer of 16, these are 16 and one held
		if st, err := q.Stat(); err != nil || st.Messages != 50-17 {
			return fmt.Errorf("%d messages wait, %v", st.Messages, err)
		}
		return nil
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	s := newStream(t, q, &stream.Config{Select: mq.Any()})
	for _, want := range numbers(17, 50) {
		if m := <-s.Messages(); string(m.Data) != want {
			t.Fatalf("got %q, want %s", m.Data, want)
		}
	}
}

func init() { roles["stalled"] = stalled }

// stalled starts a stream and never reads from it.
func stalled() {
	id, err := strconv.Atoi(os.Args[1])
	if err == nil {
		var q *sysv.Queue
		if q, err = sysv.OpenID(id, nil); err == nil {
			_, err = stream.New(q, &stream.Config{Buffer: 16})
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("ready")
	select {}
}
