package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

// programsOnPage writes the programs in README.md to a directory, and returns their
// names.
func programsOnPage(t *testing.T) (dir string, names []string) {
	t.Helper()
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for _, block := range strings.Split(string(page), "\n```")[1:] {
		head, text, _ := strings.Cut(block, "\n")
		if _, name, ok := strings.Cut(head, " "); ok {
			names = append(names, name)
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir, names
}

// needs returns a command that fails if the dependencies of a program are missing, and
// whether they are in neither Debian nor npm.
func needs(name string) (probe []string, extra bool) {
	switch {
	case strings.HasPrefix(name, "baseplate_"):
		return []string{python(), "-c", "import baseplate.lib.message_queue"}, true
	case strings.HasPrefix(name, "sysvmq_"):
		return []string{"ruby", "-rsysvmq", "-e", ""}, true
	case strings.HasPrefix(name, "posix_") && strings.HasSuffix(name, ".py"):
		return []string{python(), "-c", "import posix_ipc"}, true
	}
	switch filepath.Ext(name) {
	case ".php":
		return []string{"php", "--ri", "sysvmsg"}, false
	case ".py":
		return []string{python(), "-c", "import sysv_ipc"}, false
	case ".js":
		return []string{"node", "-e", "require('svmq')"}, false
	case ".rb":
		return []string{"ruby", "-rfiddle", "-e", ""}, false
	case ".pl":
		return []string{"perl", "-v"}, false
	}
	return []string{"cc", "--version"}, false
}

// program returns a command that runs a program on a queue.
func program(t *testing.T, dir, name, queue string) *exec.Cmd {
	t.Helper()
	path := filepath.Join(dir, name)
	words := map[string][]string{".php": {"php", path}, ".py": {python(), path}, ".js": {"node", path}, ".rb": {"ruby", path}, ".pl": {"perl", path}}[filepath.Ext(name)]
	if words == nil {
		words = []string{strings.TrimSuffix(path, ".c")}
		if out, err := exec.Command("cc", "-Wall", "-Wextra", "-Werror", "-o", words[0], path).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, words[0], append(words[1:], queue)...)
	cmd.Stderr = os.Stderr
	return cmd
}

// newQueue creates a queue of the kind that a program uses, and returns the program's
// argument for it.
func newQueue(t *testing.T, name string) (q mq.Queue, address string) {
	t.Helper()
	if strings.HasPrefix(name, "posix_") || strings.HasPrefix(name, "baseplate_") {
		testutil.NeedMqueue(t)
		p, err := posix.Open("/ipcmq-peers-"+rand.Text(), &posix.Config{Exclusive: true, MaxMessages: 4, MaxMessageSize: 1024})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Unlink(); p.Close() })
		return p, p.Name()
	}
	var key [4]byte
	rand.Read(key[:])
	k := sysv.Key(binary.NativeEndian.Uint32(key[:]) | 1)
	s, err := sysv.Open(k, &sysv.Config{Exclusive: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Remove(); s.Close() })
	return s, k.String()
}

// Each program on the page sends to Go or receives from it.
func TestProgramsOnThePageRun(t *testing.T) {
	dir, names := programsOnPage(t)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			probe, extra := needs(name)
			out, err := exec.Command(probe[0], probe[1:]...).CombinedOutput()
			if err != nil && extra && os.Getenv("IPCMQ_PEERS") == "" {
				t.Skipf("left out, since IPCMQ_PEERS is not set: %s", out)
			}
			if err != nil {
				testutil.Lacking(t, fmt.Sprintf("what %s needs: %v: %s", name, err, out))
			}
			q, address := newQueue(t, name)
			cmd := program(t, dir, name, address)
			m := mq.Message{Type: 5, Data: []byte("hello")}
			if q.Capabilities().MaxType == 0 {
				m.Type, m.Priority = 0, 5
			}
			if strings.Contains(name, "receive.") {
				if err := q.Send(t.Context(), m); err != nil {
					t.Fatal(err)
				}
				if out, err := cmd.Output(); err != nil || string(out) != "hello\n" {
					t.Errorf("printed %q, %v", out, err)
				}
				return
			}
			if out, err := cmd.Output(); err != nil || len(out) > 0 {
				t.Fatalf("printed %q, %v", out, err)
			}
			if strings.HasPrefix(name, "baseplate_") {
				m.Priority = 0
			}
			if got, err := q.TryReceive(); err != nil || got.Type != m.Type || got.Priority != m.Priority || string(got.Data) != "hello" {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	if len(names) != 20 {
		t.Errorf("%d programs on the page", len(names))
	}
}
