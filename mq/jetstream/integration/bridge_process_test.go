package integration_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

// A bridgeProcess is the command ipcmq-bridge, running.
type bridgeProcess struct {
	*exec.Cmd
	out  bytes.Buffer // standard output; to read when it has ended
	text said         // standard error
}

// said is what a process has said so far.
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

// newKernelQueue creates a System V queue, and also returns its address.
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

// newPosixQueue creates a POSIX queue, whose name is its address.
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

// holds waits until a queue on JetStream has that many messages.
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
