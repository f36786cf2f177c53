package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"ipcmq/internal/procfs"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/large"
	"ipcmq/mq/sysv"
)

func TestMain(m *testing.M) { testutil.Main(m, map[string]func(){"main": main}) }

func TestDocumentsTravel(t *testing.T) {
	out, err := testutil.Command(t, "main").Output()
	if err != nil {
		t.Fatalf("%v, after\n%s", err, out)
	}
	const want = `parent: the child says that 100 bytes have the sum 9cfe7faf, which is right: true
parent: reversed, its 100 bytes begin with 9876543210
parent: the child says that 100000 bytes have the sum aca9e593, which is right: true
parent: reversed, its 100000 bytes begin with 9876543210
parent: the child says that 20000000 bytes have the sum b327ec1c, which is right: true
parent: reversed, its 20000000 bytes begin with 9876543210
`
	if string(out) != want {
		t.Errorf("printed\n%s, not\n%s", out, want)
	}
}

//go:embed c
var programs embed.FS

// compile compiles the program in C.
func compile(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("cc"); err != nil {
		testutil.Lacking(t, "a C compiler, cc")
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, programs); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "large")
	cc := exec.Command("cc", "-std=c11", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-o", program, filepath.Join(dir, "c", "large.c"))
	if out, err := cc.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cc, err, out)
	}
	return program
}

func TestCProgramsUnderstandTickets(t *testing.T) {
	testutil.NotEmulated(t, "the compiler makes programs for this machine")
	program := compile(t)
	q, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := large.Wrap(q, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ticketlike := append([]byte("\xba\x7c\xfd\x01"), make([]byte, 28)...)
	for _, document := range [][]byte{{}, []byte("small"), ticketlike, bytes.Repeat([]byte("document"), 10_000), bytes.Repeat([]byte("0123456789"), 1_000_000)} {
		send := exec.Command(program, "send", fmt.Sprint(q.ID()), "7")
		send.Stdin, send.Stderr = bytes.NewReader(document), os.Stderr
		if err := send.Run(); err != nil {
			t.Fatal(err)
		}
		m, err := l.Receive(t.Context())
		if err != nil || m.Type != 7 || m.Truncated || !bytes.Equal(m.Data, document) {
			t.Errorf("from C: type %d, %d bytes of %d, Truncated %v, %v", m.Type, len(m.Data), len(document), m.Truncated, err)
		}
		for _, sender := range []string{"Go", "C"} {
			if sender == "Go" {
				if err := l.Send(t.Context(), mq.Message{Type: 8, Data: document}); err != nil {
					t.Fatal(err)
				}
			} else {
				send := exec.Command(program, "send", fmt.Sprint(q.ID()), "8")
				send.Stdin, send.Stderr = bytes.NewReader(document), os.Stderr
				if err := send.Run(); err != nil {
					t.Fatal(err)
				}
			}
			receive := exec.Command(program, "recv", fmt.Sprint(q.ID()), "8")
			receive.Stderr = os.Stderr
			out, err := receive.Output()
			if err != nil || !bytes.Equal(out, document) {
				t.Errorf("from %s to C: %d bytes of %d, %v", sender, len(out), len(document), err)
			}
		}
		if err := l.TrySend(mq.Message{Type: 1, Data: document}); err != nil { // freed memory can be used again
			t.Error(err)
		}
		if _, err := l.TryReceive(); err != nil {
			t.Error(err)
		}
	}
	if err := errors.Join(l.Remove(), l.Close()); err != nil {
		t.Error(err)
	}
	for s, err := range procfs.Segments(procfs.Root) {
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if !s.Removed {
			t.Errorf("segment %d of %d bytes is left", s.ID, s.Size)
		}
	}
}
