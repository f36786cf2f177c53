package posix_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/posix"
)

// languages are the programs on the other side, each with a function that
// returns the command to run it or says what is missing.
var languages = map[string]func(tb testing.TB) []string{
	"C": func(tb testing.TB) []string {
		program := filepath.Join(tb.TempDir(), "peer")
		if out, err := exec.Command("cc", "-Wall", "-o", program, "testdata/peer.c", "-lrt").CombinedOutput(); err != nil {
			testutil.Lacking(tb, fmt.Sprintf("a C compiler, cc (%v: %s)", err, out))
		}
		return []string{program}
	},
	"Python": func(tb testing.TB) []string {
		const test = "import ctypes; ctypes.CDLL('librt.so.1').mq_open"
		if out, err := exec.Command("python3", "-c", test).CombinedOutput(); err != nil {
			testutil.Lacking(tb, fmt.Sprintf("python3 with ctypes and librt.so.1 (%v: %s)", err, out))
		}
		return []string{"python3", "testdata/peer.py"}
	},
	"Perl": func(tb testing.TB) []string {
		if runtime.GOARCH != "amd64" {
			tb.Skip("the program has the system call numbers of x86-64")
		}
		if err := exec.Command("perl", "-e", "1").Run(); err != nil {
			testutil.Lacking(tb, fmt.Sprintf("perl (%v)", err))
		}
		return []string{"perl", "testdata/peer.pl"}
	},
}

// A peer is a running program in another language.
type peer struct {
	testing.TB
	pid     int
	input   io.Writer
	answers *bufio.Scanner
}

// startPeer starts a program on the queue q. It ends with the test, which fails
// if the program failed.
func startPeer(tb testing.TB, command []string, q *posix.Queue) *peer {
	tb.Helper()
	cmd := exec.Command(command[0], append(command[1:], q.Name())...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	answers := bufio.NewScanner(stdout)
	answers.Buffer(nil, 1<<20)
	tb.Cleanup(func() {
		stdin.Close()
		if tb.Failed() {
			cmd.Process.Kill()
		}
		if err := cmd.Wait(); err != nil && !tb.Failed() {
			tb.Errorf("%v: %v", cmd, err)
		}
	})
	return &peer{tb, cmd.Process.Pid, stdin, answers}
}

// order writes a line to the program.
func (p *peer) order(format string, args ...any) {
	p.Helper()
	if _, err := fmt.Fprintf(p.input, format+"\n", args...); err != nil {
		p.Fatal(err)
	}
}

// answer reads a line from the program.
func (p *peer) answer() string {
	p.Helper()
	if !p.answers.Scan() {
		p.Fatalf("the peer has ended: %v", p.answers.Err())
	}
	return p.answers.Text()
}

// bodies are payloads that a program would change if it treated them as text.
func bodies() [][]byte {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	return [][]byte{
		{}, []byte("hello"), {0}, []byte("\x00\x00a\x00b\x00\x00"), []byte("\r\n\n"), []byte("a  "),
		every, bytes.Repeat(every, 32), bytes.Repeat([]byte{0xff}, 4095),
	}
}

func TestEveryByteAndPriorityArrivesBothWays(t *testing.T) {
	for name, command := range languages {
		t.Run(name, func(t *testing.T) {
			q := newQueue(t, &posix.Config{MaxMessages: 2, MaxMessageSize: 8192})
			p := startPeer(t, command(t), q)
			for _, body := range bodies() {
				for _, priority := range []uint32{0, 1, 32767} {
					want := fmt.Sprintf("%d %x", priority, body)
					if err := q.Send(t.Context(), mq.Message{Priority: priority, Data: body}); err != nil {
						t.Fatal(err)
					}
					p.order("receive")
					if got := p.answer(); got != want {
						t.Fatalf("the peer received %.80s, want %.80s", got, want)
					}
					p.order("send %s", want)
					m, err := q.Receive(t.Context())
					if got := fmt.Sprintf("%d %s", m.Priority, hex.EncodeToString(m.Data)); err != nil || got != want {
						t.Fatalf("received %.80s, %v; want %.80s", got, err, want)
					}
					if got := p.answer(); got != "ok" {
						t.Fatalf("the peer says %q", got)
					}
				}
			}
		})
	}
}

func TestPeersWakeEachOther(t *testing.T) {
	command := languages["C"](t)
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			q := newQueue(t, &posix.Config{MaxMessages: 1, MaxMessageSize: 8, Blocking: mode.blocking})
			p := startPeer(t, command, q)

			p.order("receive")
			testutil.AwaitAsleep(t, p.pid, 1, "wq_sleep")
			if err := q.TrySend(mq.Message{Data: []byte("x")}); err != nil {
				t.Fatal(err)
			}
			if got := p.answer(); got != "0 78" {
				t.Errorf("the peer received %q", got)
			}

			// And the other way, with a full queue in between.
			if err := q.TrySend(mq.Message{Priority: 1}); err != nil {
				t.Fatal(err)
			}
			p.order("send 0 79")
			testutil.AwaitAsleep(t, p.pid, 1, "wq_sleep")
			for _, want := range []string{"", "y"} {
				if m, err := q.Receive(t.Context()); err != nil || string(m.Data) != want {
					t.Errorf("got %q, %v; want %q", m.Data, err, want)
				}
			}
			if got := p.answer(); got != "ok" {
				t.Errorf("the peer says %q", got)
			}
		})
	}
}

func init() {
	roles["receive"] = receiveOne
	roles["hold"] = hold
}

// receiveOne receives a message and prints it: name, blocking.
func receiveOne() {
	q, err := posix.Open(os.Args[1], &posix.Config{OpenOnly: true, Blocking: os.Args[2] == "true"})
	if err != nil {
		fail("%v", err)
	}
	fmt.Println("waits")
	m, err := q.Receive(context.Background())
	if err != nil {
		fail("%v", err)
	}
	fmt.Printf("%s\n", m.Data)
}

func TestAReaderKilledWhileItWaitsTakesNothing(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			q := newQueue(t, nil)
			reader := testutil.Command(t, "receive", q.Name(), fmt.Sprint(mode.blocking))
			stdout, err := reader.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := reader.Start(); err != nil {
				t.Fatal(err)
			}
			if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "waits\n" {
				t.Fatalf("the reader says %q, %v", line, err)
			}
			if mode.blocking {
				testutil.AwaitAsleep(t, reader.Process.Pid, 1, "wq_sleep")
			} else {
				testutil.AwaitAsleep(t, reader.Process.Pid, 1, "ep_poll", "do_epoll_wait")
			}
			if err := reader.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			reader.Wait()
			if err := q.TrySend(mq.Message{Data: []byte("kept")}); err != nil {
				t.Fatal(err)
			}
			if m, err := q.Receive(t.Context()); err != nil || string(m.Data) != "kept" {
				t.Errorf("got %q, %v", m.Data, err)
			}
		})
	}
}

// hold prints its open descriptors that are queues.
func hold() {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		fail("%v", err)
	}
	for _, e := range entries {
		if target, _ := os.Readlink("/proc/self/fd/" + e.Name()); target == os.Args[1] {
			fmt.Println(e.Name())
		}
	}
}

func TestDescriptorsAreNotInheritedByPrograms(t *testing.T) {
	for _, mode := range modes {
		q := newQueue(t, &posix.Config{MaxMessages: 1, MaxMessageSize: 1, Blocking: mode.blocking})
		conn, err := q.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var path string
		if err := conn.Control(func(fd uintptr) { path, err = os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)) }); err != nil || path == "" {
			t.Fatalf("%q, %v", path, err)
		}
		if out, err := testutil.Command(t, "hold", path).Output(); err != nil || len(out) > 0 {
			t.Errorf("the child has the queue open as %s (%v)", out, err)
		}
		// The control: a descriptor that is passed on is found.
		cmd := testutil.Command(t, "hold", path)
		conn.Control(func(fd uintptr) {
			f, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", fd))
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			cmd.ExtraFiles = []*os.File{f}
			if out, err := cmd.Output(); err != nil || string(out) != "3\n" {
				t.Errorf("the descriptor that is passed on is found as %q (%v)", out, err)
			}
		})
	}
}
