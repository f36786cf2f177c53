package integration_test

import (
	"bufio"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/jetstream"
)

// startOlder starts a server of the oldest version that the package works with, as a
// process, that ends with the test.
func startOlder(t *testing.T) (url string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "older")
	if out, err := exec.Command("go", "build", "-C", "older", "-o", program, ".").CombinedOutput(); err != nil {
		testutil.Lacking(t, "a NATS server of an older version: "+string(out))
	}
	cmd := exec.Command(program, t.TempDir())
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
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	url, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(url)
}

// What distinguishes errors, and what an older server lacks, is tested with two versions.
func TestAnOlderServerDoesTheSame(t *testing.T) {
	t.Parallel()
	url := startOlder(t)
	contract(t, func(*testing.T) string { return url }, jetstream.Memory) // its answers are the same on disk
	t.Run("Settings", func(t *testing.T) { changeSettings(t, url) })
	t.Run("Options", func(t *testing.T) {
		q := openQueue(t, url, newName(), nil)
		sendIDs(t, q, "a", "a", "b")
		wants(t, q.SendWith(t.Context(), mq.Message{Type: 1}, mq.SendOptions{TTL: time.Hour}), errors.ErrUnsupported, "has version 2.10.", "2.11")
		wants(t, q.Set(t.Context(), func(s *jetstream.Settings) { s.TTL = true }), errors.ErrUnsupported, "has version 2.10.", "2.11")
		holds(t, q, 2, 0)
	})
	t.Run("SendBatch", func(t *testing.T) {
		for _, mode := range bothModes {
			q := openQueue(t, url, newName(), &jetstream.Config{Mode: mode})
			if n, err := mq.SendBatch(t.Context(), q, counted(0, 100)); n != 100 || err != nil {
				t.Fatalf("%d, %v", n, err)
			}
			receiveNumbers(t, q, 0, 100)
		}
	})
}
