package cli_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

// command returns ipcmq with arguments. It is killed when the test ends.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin(t), "ipcmq"), args...)
	cmd.Args[0] = "ipcmq"
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), "GORACE="+quickExit)
	t.Cleanup(func() {
		if cmd.Process != nil && cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	return cmd
}

func openQueue(t *testing.T) *sysv.Queue {
	t.Helper()
	q, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		q.Remove()
		q.Close()
	})
	return q
}

func address(q *sysv.Queue) string { return fmt.Sprintf("id:%d", q.ID()) }

// IPCMQ_LINES is the number of lines, 20000 by default.
func TestLinesGoThroughTwoProcessesInOrder(t *testing.T) {
	testutil.NeedNamespace(t)
	lines := 20_000
	if s := os.Getenv("IPCMQ_LINES"); s != "" {
		var err error
		if lines, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	q := openQueue(t)
	receiver := command(t, "recv", address(q), "--follow")
	out, err := receiver.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	sender := command(t, "send", address(q), "--stdin", "lines")
	in, err := sender.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := receiver.Start(); err != nil {
		t.Fatal(err)
	}
	if err := sender.Start(); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	go func() {
		w := bufio.NewWriter(in)
		for i := range lines {
			fmt.Fprintf(w, "line %d of the test\n", i)
		}
		w.Flush()
		in.Close()
	}()
	scanner := bufio.NewScanner(out)
	for i := range lines {
		if !scanner.Scan() {
			t.Fatalf("the output ended after %d lines: %v", i, scanner.Err())
		}
		if want := fmt.Sprintf("line %d of the test", i); scanner.Text() != want {
			t.Fatalf("%q instead of %q", scanner.Text(), want)
		}
	}
	t.Logf("%.0f lines/s", float64(lines)/time.Since(begun).Seconds())
	if err := sender.Wait(); err != nil {
		t.Errorf("sender: %v", err)
	}
	testutil.AwaitAsleep(t, receiver.Process.Pid, 1, "do_msgrcv")
	receiver.Process.Signal(os.Interrupt)
	if err := receiver.Wait(); err != nil {
		t.Errorf("receiver: %v", err)
	}
	if scanner.Scan() {
		t.Errorf("%q comes after the last line", scanner.Text())
	}
}

func TestLinesAreSentAsTheyCome(t *testing.T) {
	testutil.NeedNamespace(t)
	q := openQueue(t)
	sender := command(t, "send", address(q), "--stdin", "lines")
	var stderr strings.Builder
	sender.Stderr = &stderr
	in, err := sender.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := sender.Start(); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"first", "second", ""} {
		io.WriteString(in, line+"\n")
		m, err := q.Receive(t.Context())
		if err != nil || string(m.Data) != line {
			t.Fatalf("%q, %v", m.Data, err)
		}
	}
	// A signal ends a send that waits for input.
	sender.Process.Signal(os.Interrupt)
	sender.Wait()
	if got, want := stderr.String(), "ipcmq: line 4: read standard input: interrupted (the 3 lines before it were sent, nothing after it)\n"; got != want || sender.ProcessState.ExitCode() != 1 {
		t.Errorf("after a signal: status %d, %q", sender.ProcessState.ExitCode(), got)
	}
}

// A reader that hangs must not lose the message that was taken: after a signal it goes
// back into the queue.
func TestMessageThatNobodyReadsGoesBackAfterASignal(t *testing.T) {
	testutil.NeedNamespace(t)
	q := openQueue(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	receiver := command(t, "recv", address(q), "--follow")
	receiver.Stdout = w
	var stderr strings.Builder
	receiver.Stderr = &stderr
	if err := receiver.Start(); err != nil {
		t.Fatal(err)
	}
	// More than the pipe holds.
	const size = 4000
	sent := 0
	for ctx := t.Context(); ; sent++ {
		// It sleeps while writing to the pipe, and takes no more.
		if testutil.Asleep(receiver.Process.Pid, "pipe_write", "anon_pipe_write") > 0 {
			break
		}
		if err := q.TrySend(mq.Message{Type: int64(sent + 1), Data: make([]byte, size)}); err != nil {
			sent--
			if ctx.Err() != nil {
				t.Fatal(ctx.Err())
			}
		}
	}
	before, err := q.Stat()
	if err != nil {
		t.Fatal(err)
	}
	receiver.Process.Signal(os.Interrupt)
	receiver.Wait()
	if receiver.ProcessState.ExitCode() != 1 || !strings.Contains(stderr.String(), "nobody reads standard output") {
		t.Errorf("status %d, %q", receiver.ProcessState.ExitCode(), stderr.String())
	}
	after, err := q.Stat()
	if err != nil {
		t.Fatal(err)
	}
	taken := int64(sent) - before.Messages
	if before.Messages < int64(before.Capacity/size) { // there was room for it
		if after.Messages != before.Messages+1 || !strings.Contains(stderr.String(), "is back") {
			t.Errorf("%d messages, %d before; %d were taken; %q", after.Messages, before.Messages, taken, stderr.String())
		}
	} else if !strings.Contains(stderr.String(), "here it is: {") {
		t.Errorf("the message is nowhere: %.300q", stderr.String())
	}
}

// When a signal comes, each message is either written or stays in the queue.
func TestSignalsLoseNothing(t *testing.T) {
	testutil.NeedNamespace(t)
	q := openQueue(t)
	for round := range 20 {
		receiver := command(t, "recv", address(q), "--follow")
		out, err := receiver.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := receiver.Start(); err != nil {
			t.Fatal(err)
		}
		scanner := bufio.NewScanner(out)
		quit, sent := make(chan struct{}), make(chan int, 1)
		go func() {
			for n := 0; ; n++ {
				m := mq.Message{Type: 1, Data: strconv.AppendInt(nil, int64(n), 10)}
				if q.Send(t.Context(), m) != nil {
					sent <- -1
					return
				}
				select {
				case <-quit:
					sent <- n + 1
					return
				default:
				}
			}
		}()
		got := 0
		for scanner.Scan() {
			if scanner.Text() != strconv.Itoa(got) {
				t.Fatalf("%q instead of %d", scanner.Text(), got)
			}
			if got++; got == 50*(round+1) {
				receiver.Process.Signal(os.Interrupt)
				break
			}
		}
		written := got
		for scanner.Scan() { // the rest of its output
			written++
		}
		if err := receiver.Wait(); err != nil {
			t.Fatalf("receiver: %v", err)
		}
		close(quit)
		left, all := 0, 0
		for all == 0 { // the sender may wait for room
			select {
			case all = <-sent:
			default:
				if _, err := q.TryReceive(); err == nil {
					left++
				}
			}
		}
		for {
			if _, err := q.TryReceive(); err != nil {
				break
			}
			left++
		}
		if written+left != all {
			t.Fatalf("round %d: %d written and %d left of %d", round, written, left, all)
		}
	}
}

// It waits in the kernel, and writes nothing, so that no write can fail.
func TestFollowingEndsWhenItsReaderLeaves(t *testing.T) {
	testutil.NeedNamespace(t)
	q := openQueue(t)
	receiver := command(t, "recv", address(q), "--follow")
	out, err := receiver.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := receiver.Start(); err != nil {
		t.Fatal(err)
	}
	if err := q.TrySend(mq.Message{Type: 1, Data: []byte("read")}); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "read\n" {
		t.Fatalf("%q, %v", line, err)
	}
	testutil.AwaitAsleep(t, receiver.Process.Pid, 1, "do_msgrcv")
	out.Close()
	if err := receiver.Wait(); err != nil {
		t.Error(err)
	}
	if err := q.TrySend(mq.Message{Type: 1, Data: []byte("left")}); err != nil {
		t.Fatal(err)
	}
	if m, err := q.TryReceive(); err != nil || string(m.Data) != "left" {
		t.Errorf("%q, %v", m.Data, err)
	}
}

// A ^C goes to the whole foreground process group of a terminal.
func TestCommandsOfServeOutliveAnInterruptOfItsGroup(t *testing.T) {
	testutil.NeedNamespace(t)
	q := openQueue(t)
	begun := filepath.Join(t.TempDir(), "begun")
	server := command(t, "serve", address(q), "7", "--", "sh", "-c", `touch "$0"; sleep 0.5; echo done`, begun)
	server.SysProcAttr = sys.OwnGroup()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	type answer struct {
		out []byte
		err error
	}
	answers := make(chan answer, 1)
	client := command(t, "request", address(q), "7", "x")
	go func() {
		out, err := client.Output()
		answers <- answer{out, err}
	}()
	testutil.Await(t, func() error {
		_, err := os.Stat(begun)
		return err
	})
	if err := syscall.Kill(-server.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if a := <-answers; a.err != nil || string(a.out) != "done\n" {
		t.Errorf("%q, %v", a.out, a.err)
	}
	if err := server.Wait(); err != nil {
		t.Error(err)
	}
}
