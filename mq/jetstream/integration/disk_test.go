package integration_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/mq/jetstream/integration/server"
)

// mountDisk makes dir a disk of 8 MiB, in the mount namespace of the tests.
func mountDisk(t *testing.T, dir string) {
	t.Helper()
	testutil.NeedNamespace(t)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", dir).CombinedOutput(); err != nil {
		testutil.Lacking(t, fmt.Sprintf("a mount namespace with tmpfs (run as root, or allow user namespaces): %v, %s", err, out))
	}
	t.Cleanup(func() { run(t, "umount", dir) })
}

// fillDisk makes a file that takes all space but the last of the disk.
func fillDisk(t *testing.T, dir string, last int64) (file string) {
	t.Helper()
	f, err := os.CreateTemp(dir, "filler")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size := int64(0)
	for err == nil {
		var n int
		n, err = f.Write(make([]byte, 4096))
		size += int64(n)
	}
	if err := f.Truncate(size - last); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// startOn starts n servers that store in dir.
func startOn(t *testing.T, dir string, n int) *server.Cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := server.StartCluster(ctx, n, dir, func(config string) *exec.Cmd { return testutil.Command(t, "node", config) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c
}

func shortly(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestAFullDiskIsNamed(t *testing.T) {
	t.Parallel()
	for word, mode := range modes {
		t.Run(word, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			mountDisk(t, dir)
			c := startOn(t, dir, 1)
			cfg := &jetstream.Config{Mode: mode, MaxBytes: 1 << 20}
			q := openQueue(t, c.URL(), "orders", cfg)
			files := []string{fillDisk(t, dir, 100_000)}
			message := func(text string) mq.Message {
				return mq.Message{Type: 1, Data: append([]byte(text), make([]byte, 20_000)...)}
			}
			full := func(err error, doubt bool) {
				t.Helper()
				wants(t, err, jetstream.ErrLimit, "cannot write to its disk", "restart the server")
				if errors.Is(err, mq.ErrInDoubt) != doubt {
					t.Error(err)
				}
			}
			var sent []string
			var err error
			for len(sent) < 100 {
				text := fmt.Sprintf("number %d ", len(sent))
				if err = q.Send(shortly(t), message(text)); err != nil {
					break
				}
				sent = append(sent, text)
			}
			full(err, true) // nobody knows what the disk has of it
			files = append(files, fillDisk(t, dir, 0))
			full(q.Send(shortly(t), message("refused ")), false)
			full(q.TrySend(message("refused ")), false)
			n, err := q.SendBatch(shortly(t), slices.Repeat([]mq.Message{message("refused ")}, 64))
			full(err, false)
			_, err = q.Receive(shortly(t))
			full(err, false)
			_, err = q.TryReceive()
			full(err, false)
			short, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err = jetstream.Open(short, c.URL(), "another", cfg)
			full(err, false)
			if n != 0 || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a batch: %d; another queue: %v", n, err)
			}
			for _, file := range files {
				if err := os.Remove(file); err != nil {
					t.Fatal(err)
				}
			}
			full(q.Send(shortly(t), message("refused ")), false) // until it is restarted
			c.Nodes[0].Stop()
			if err := c.Nodes[0].Start(); err != nil {
				t.Fatal(err)
			}
			await(t, func() error { return q.Send(shortly(t), message("last ")) })
			for _, text := range append(sent, "last ") {
				m, err := q.Receive(shortly(t))
				if err != nil || !bytes.HasPrefix(m.Data, []byte(text)) {
					t.Fatalf("%.10q, %v; want %q", m.Data, err, text)
				}
			}
			t.Logf("%d messages were stored before the disk was full", len(sent))
		})
	}
}

// Servers of version 2.12 and earlier answer to what they cannot write.
func TestAFullDiskThatTheServerReportsIsNotInDoubt(t *testing.T) {
	t.Parallel()
	p := startProxy(t, startServer(t, nil))
	q := openQueue(t, p.url, "orders", nil)
	p.to("type.", func(f *frame) bool {
		f.answer(`{"error": {"code": 503, "err_code": 10077, "description": "write /data/1.blk: no space left on device"}}`)
		return true
	})
	for _, err := range []error{q.Send(shortly(t), mq.Message{Type: 1}), q.TrySend(mq.Message{Type: 1})} {
		wants(t, err, jetstream.ErrLimit, "cannot write to its disk", "no space left")
		if errors.Is(err, mq.ErrInDoubt) {
			t.Error(err)
		}
	}
}

// A server whose disk is full leaves the queue to the others.
func TestAFullDiskOfOneServerStopsNobody(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mountDisk(t, filepath.Join(dir, "n1"))
	c := startOn(t, dir, 3)
	q := openQueue(t, c.URL(), "orders", &jetstream.Config{Replicas: 3, MaxBytes: 1 << 20})
	if err := c.Lead(shortly(t), c.Nodes[0], streamOf("orders")); err != nil {
		t.Fatal(err)
	}
	fillDisk(t, filepath.Join(dir, "n1"), 0)
	began := time.Now()
	for i := range 20 {
		if err := q.Send(shortly(t), mq.Message{Type: int64(i) + 1, Data: make([]byte, 10_000)}); err != nil {
			t.Fatal(err)
		}
	}
	took := time.Since(began)
	for i := range 20 {
		if m, err := q.Receive(shortly(t)); err != nil || m.Type != int64(i)+1 {
			t.Fatalf("got %d, %v; want %d", m.Type, err, i+1)
		}
	}
	if leader, err := c.Leader(shortly(t), streamOf("orders")); err != nil || leader == c.Nodes[0] {
		t.Errorf("the server whose disk is full still leads, %v", err)
	}
	t.Logf("20 sends took %v, and their receives %v", took.Round(time.Millisecond), (time.Since(began) - took).Round(time.Millisecond))
}
