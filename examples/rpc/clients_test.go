package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"ipcmq/mq"
	"ipcmq/mq/sysv"
	"ipcmq/mux/rpc"
)

func newClient(t *testing.T, q *sysv.Queue) *rpc.Client {
	t.Helper()
	c, err := rpc.NewClient(q, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// handle calls rpc.Handle until the test ends.
func handle(t *testing.T, q mq.Queue, h rpc.Handler, cfg rpc.Config) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	typ := int64(requests)
	if q.Capabilities().MaxType == 0 {
		typ = 0
	}
	go func() { ended <- rpc.Handle(ctx, q, typ, h, &cfg) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// runClient runs the client with texts, and compares its output.
func (l language) runClient(t *testing.T, q *sysv.Queue, milliseconds int, texts []string, status int, want string) {
	t.Helper()
	client := l.program(t, "client", q, append([]string{fmt.Sprint(milliseconds)}, texts...)...)
	out, err := client.Output()
	if string(out) != want || client.ProcessState.ExitCode() != status {
		t.Errorf("printed\n%s, %v; not\n%s, exit status %d", out, err, want, status)
	}
}

func TestClientsAreAnsweredByAGoServer(t *testing.T) {
	inEach(t, func(t *testing.T, l language) {
		q := newQueue(t)
		var stats rpc.ServerStats
		handle(t, q, func(_ context.Context, request []byte) ([]byte, error) {
			switch string(request) {
			case "tea":
				return nil, &rpc.RemoteError{Code: 1418, Text: "I am a teapot"}
			case "milk":
				return nil, errors.New("out of milk")
			case "panic":
				panic("no")
			}
			return bytes.ToUpper(request), nil
		}, rpc.Config{Stats: &stats})
		long := strings.Repeat("long ", 1600)
		l.runClient(t, q, 20_000, []string{"hello", "", long}, 0, "HELLO\n\n"+strings.ToUpper(long)+"\n")
		l.runClient(t, q, 20_000, []string{"tea", "milk", "panic", "water"}, 1,
			"error 1418: I am a teapot\nerror 1: out of milk\nerror 2: handler panicked: no\nWATER\n")
		if n := stats.Handled.Load(); n != 7 || stats.Lost.Load() != 0 || stats.Malformed.Load() != 0 {
			t.Errorf("%d handled, %d lost, %d malformed", n, stats.Lost.Load(), stats.Malformed.Load())
		}
	})
}

func TestClientsGiveUpAtTheirDeadline(t *testing.T) {
	inEach(t, func(t *testing.T, l language) {
		q := newQueue(t)
		l.runClient(t, q, 30, []string{"hello", "again"}, 1, "no reply in time\nno reply in time\n")

		// A server that starts later notices that nobody waits any more.
		discarded := make(chan error, 2)
		handle(t, q, func(context.Context, []byte) ([]byte, error) {
			t.Error("an expired request was handled")
			return nil, nil
		}, rpc.Config{OnError: func(_ mq.Message, err error) { discarded <- err }})
		for range 2 {
			if err := <-discarded; !errors.Is(err, rpc.ErrExpired) {
				t.Error(err)
			}
		}

		// The client also gives up sending.
		full := newQueue(t)
		for full.TrySend(mq.Message{Type: 1, Data: make([]byte, 1000)}) == nil {
		}
		if err := full.Set(func(s *sysv.Settings) { s.Capacity = 1 }); err != nil {
			t.Fatal(err)
		}
		l.runClient(t, full, 30, []string{"hello"}, 1, "no reply in time\n")
	})
}

func TestClientsTakeOnlyTheirOwnReplies(t *testing.T) {
	inEach(t, func(t *testing.T, l language) {
		q := newQueue(t)
		client := l.program(t, "client", q, "20000", "hello")
		var out bytes.Buffer
		client.Stdout = &out
		if err := client.Start(); err != nil {
			t.Fatal(err)
		}
		asked, err := q.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r := asked.Data
		n := 40 + int(binary.LittleEndian.Uint16(r[32:]))
		if m := int(binary.LittleEndian.Uint16(r[34:])); m != 29 || string(r[n+m:]) != "hello" { // the field with its deadline
			t.Fatalf("the client sent %q", r)
		}
		inbox, err := q.OpenInbox(string(r[40:n]))
		if err != nil {
			t.Fatal(err)
		}
		defer inbox.Close()

		// edit returns a reply, with one byte of the header changed.
		edit := func(at int, value byte, text string) []byte {
			b := append(bytes.Clone(r[:40]), text...)
			b[5], b[32], b[34] = 2, 0, 0
			b[at] = value
			return b
		}
		for _, b := range [][]byte{
			nil,
			[]byte("not a reply"),
			edit(4, 2, "of another version"),
			edit(5, 1, "a request"),
			edit(5, 4, "of a kind unknown"),
			edit(8, r[8]+1, "to another request"),
			edit(16, r[16]+1, "to another inbox"),
			edit(32, 200, "with an address longer than the message"),
			edit(33, 1, "with an address too long"),
			edit(34, 200, "with more metadata than the message has"),
			edit(34, 5, "\x01k\x09\x00v with metadata that is none"),
			edit(5, 2, "the reply"),
			edit(5, 2, "once more"),
		} {
			if err := inbox.Send(t.Context(), mq.Message{Type: 1, Data: b}); err != nil {
				// After the reply the client may be gone, and its inbox with it.
				if !strings.HasSuffix(string(b), "once more") {
					t.Fatal(err)
				}
			}
		}
		if err := client.Wait(); err != nil || out.String() != "the reply\n" {
			t.Errorf("printed %q, %v", out.String(), err)
		}
	})
}

func TestInboxesOfClientsThatAreStoppedOrKilledGo(t *testing.T) {
	inEach(t, func(t *testing.T, l language) {
		for _, c := range []struct {
			signal    os.Signal
			collected bool // by RemoveDeadInboxes; otherwise the client removes it
		}{
			{syscall.SIGTERM, false},
			{syscall.SIGKILL, true},
		} {
			t.Run(c.signal.String(), func(t *testing.T) {
				q := newQueue(t)
				client := l.program(t, "client", q, "20000", "hello")
				if err := client.Start(); err != nil {
					t.Fatal(err)
				}
				asked, err := q.Receive(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				n := binary.LittleEndian.Uint16(asked.Data[32:])
				address := string(asked.Data[40 : 40+n])
				if err := client.Process.Signal(c.signal); err != nil {
					t.Fatal(err)
				}
				if err := client.Wait(); err == nil {
					t.Error("the client has ended well")
				}
				removed, err := sysv.RemoveDeadInboxes()
				if err != nil {
					t.Fatal(err)
				}
				if collected := len(removed) > 0; collected != c.collected {
					t.Errorf("%s is among the collected %v: %t", address, removed, collected)
				}
				if _, err := q.OpenInbox(address); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s is still there: %v", address, err)
				}
			})
		}
	})
}
