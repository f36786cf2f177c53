package integration_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/mux/rpc"
)

// python returns a program of examples/python, that uses a server.
func python(t *testing.T, url, program string, args ...string) *exec.Cmd {
	t.Helper()
	interpreter, err := exec.LookPath("python3")
	if err != nil {
		testutil.Lacking(t, "python3")
	}
	cmd := exec.CommandContext(t.Context(), interpreter, append([]string{filepath.Join("examples", "python", program)}, args...)...)
	cmd.Env = append(os.Environ(), "NATS_URL="+url, "PYTHONDONTWRITEBYTECODE=1")
	cmd.Stderr = os.Stderr
	return cmd
}

// run runs it, and returns what it has written.
func runs(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd.Args[1:], err)
	}
	return string(out)
}

// PROTOCOL.md is enough for programs in another language.
func TestProgramsInPythonUseTheSameQueues(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	for word, mode := range modes {
		t.Run(word, func(t *testing.T) {
			t.Parallel()
			q := openQueue(t, url, "python-"+word, &jetstream.Config{Mode: mode})
			runs(t, python(t, url, "ipcmq_queue.py", "send", q.Name(), "7", "Grüße"))
			receiveAll(t, q, mq.Message{Type: 7, Data: []byte("Grüße")})
			holds(t, q, 0, 0)

			worker := python(t, url, "ipcmq_queue.py", "work", q.Name(), "0", "3")
			out, err := worker.StdoutPipe()
			if err == nil {
				err = worker.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			for _, m := range []mq.Message{{Type: 9223372036854775807, Data: []byte("one")}, {Type: 2}, {Type: 3, Data: []byte("ä")}} {
				sendAll(t, q, m)
				if want := strings.TrimPrefix(mq.Type(m.Type).String(), "type ") + " " + string(m.Data); !lines.Scan() || lines.Text() != want {
					t.Fatalf("it printed %q, not %q", lines.Text(), want)
				}
			}
			if err := worker.Wait(); err != nil {
				t.Fatal(err)
			}
			holds(t, q, 0, 0)
		})
	}
}

// A full queue makes it wait, and so does a receiver that has not come yet.
func TestAProgramInPythonWaitsForRoom(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	q := openQueue(t, url, "python-full", &jetstream.Config{MaxMessages: 1})
	sendAll(t, q, mq.Message{Type: 1, Data: []byte("first")})
	sender := python(t, url, "ipcmq_queue.py", "send", q.Name(), "2", "second")
	if err := sender.Start(); err != nil {
		t.Fatal(err)
	}
	receiveAll(t, q, mq.Message{Type: 1, Data: []byte("first")}, mq.Message{Type: 2, Data: []byte("second")})
	if err := sender.Wait(); err != nil {
		t.Error(err)
	}
}

// A worker that is killed leaves its message to others.
func TestAMessageThatAKilledProgramInPythonHadIsLentAgain(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	q := openQueue(t, url, "python-killed", &jetstream.Config{AckWait: 1500 * time.Millisecond})
	const program = `import sys; sys.path.insert(0, "examples/python")
import ipcmq_queue, os
q = ipcmq_queue.Queue(ipcmq_queue.Nats(os.environ["NATS_URL"]), "python-killed")
q.lease(5)
os.kill(os.getpid(), 9)`
	worker := python(t, url, "")
	worker.Args = append(worker.Args[:1], "-c", program)
	sendAll(t, q, mq.Message{Type: 5, Data: []byte("work")})
	if err := worker.Run(); err == nil || worker.ProcessState.ExitCode() != -1 {
		t.Fatalf("it was not killed: %v", err)
	}
	l, err := leases(t, q, mq.Type(5)).Lease(t.Context())
	if err != nil || l.Attempt() != 2 || string(l.Message().Data) != "work" {
		t.Fatalf("%v, %v", l, err)
	}
	if err := l.Ack(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestProgramsInPythonCallAndAnswer(t *testing.T) {
	t.Parallel()
	url := startServer(t, nil)
	q := openQueue(t, url, "python-calls", nil)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- rpc.Handle(ctx, q, 3, func(_ context.Context, request []byte) ([]byte, error) {
			return append([]byte("hello "), request...), nil
		}, nil)
	}()
	if got := runs(t, python(t, url, "ipcmq_call.py", "call", q.Name(), "3", "Ann")); got != "hello Ann\n" {
		t.Errorf("the reply was %q", got)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}

	server := python(t, url, "ipcmq_call.py", "serve", q.Name(), "4", "2")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	client, err := rpc.NewClient(q, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, text := range []string{"one", "two"} {
		timely, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		reply, err := client.Request(timely, 4, []byte(text))
		cancel()
		if err != nil || string(reply) != strings.ToUpper(text) {
			t.Errorf("%q, %v", reply, err)
		}
	}
	if err := server.Wait(); err != nil {
		t.Error(err)
	}
}
