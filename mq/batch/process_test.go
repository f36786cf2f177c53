package batch_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/batch"
	"ipcmq/mq/sysv"
)

func init() { roles["receiver"] = receiver }

// receiver prints what it receives from the queue whose id is its argument, each
// line with its own system call.
func receiver() {
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
	b, err := batch.New(q, nil)
	fail(err)
	for m, err := range mq.AllInto(context.Background(), b) {
		fail(err)
		_, err = os.Stdout.Write(append(m.Data, '\n'))
		fail(err)
	}
}

// TestAReceiverThatIsKilledLosesAFrameAtMost tests the caveat of the package,
// with receivers that are killed at any moment.
func TestAReceiverThatIsKilledLosesAFrameAtMost(t *testing.T) {
	const kills, perFrame = 10, 50
	q := newSysV(t)
	sender := start(t, q, nil)
	ctx, stop := context.WithCancel(t.Context())
	sent := make(chan int)
	go func() {
		n := 0
		defer func() { sent <- n }()
		for ctx.Err() == nil {
			if sender.Add(ctx, mq.Message{Type: 1, Data: strconv.AppendInt(nil, int64(n), 10)}) != nil {
				return
			}
			if n++; n%perFrame == 0 && sender.Flush(ctx) != nil {
				return
			}
		}
	}()
	next, lost, most := 0, 0, 0
	for kill := range kills {
		cmd := testutil.Command(t, "receiver", strconv.Itoa(q.ID()))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		after := 1 + rand.IntN(500)
		lines := bufio.NewScanner(out)
		for i := 0; lines.Scan(); i++ {
			n, err := strconv.Atoi(lines.Text())
			if err != nil || n < next {
				t.Fatalf("got %q after %d: %v", lines.Text(), next, err)
			}
			if n > next { // lost by the previous receiver
				if i > 0 {
					t.Fatalf("%d to %d are missing within one receiver", next, n-1)
				}
				lost += n - next
				most = max(most, n-next)
			}
			next = n + 1
			if i == after {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		cmd.Wait()
		if kill == 0 && next == 0 {
			t.Fatal("the first receiver got nothing")
		}
	}
	stop()
	t.Logf("%d messages, %d receivers killed: %d lost, at most %d at once", <-sent, kills, lost, most)
	if most > perFrame {
		t.Errorf("%d messages were lost at once, of frames of %d", most, perFrame)
	}
}
