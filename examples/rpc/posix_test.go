package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/posix"
	"ipcmq/mux/rpc"
)

// inEachPOSIX runs a test for each installed language that can use POSIX queues.
// Modules that are not in Debian may be missing, unless IPCMQ_PEERS is set.
func inEachPOSIX(t *testing.T, test func(*testing.T, language, *posix.Queue)) {
	for _, l := range wanted() {
		if l.posix == nil {
			continue
		}
		t.Run(l.name, func(t *testing.T) {
			testutil.NeedMqueue(t)
			out, err := exec.Command(l.posix[0], l.posix[1:]...).CombinedOutput()
			if err != nil && l.extra && os.Getenv("IPCMQ_PEERS") == "" {
				t.Skipf("%s and POSIX queues are left out, since IPCMQ_PEERS is not set: %s", l.name, bytes.TrimSpace(out))
			}
			if err != nil {
				testutil.Lacking(t, fmt.Sprintf("POSIX queues in %s: %v: %s", l.name, err, bytes.TrimSpace(out)))
			}
			name := "/ipcmq-example-" + rand.Text()
			q, err := posix.Open(name, &posix.Config{Exclusive: true, MaxMessages: 8, MaxMessageSize: 4096})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { q.Unlink(); q.Close() })
			test(t, l, q)
		})
	}
}

// prefix is for the programs in C, which differ for POSIX queues.
func (l language) prefix() string {
	if l.name == "C" {
		return "posix_"
	}
	return ""
}

func (l language) posixClient(t *testing.T, q *posix.Queue, args ...string) *exec.Cmd {
	t.Helper()
	return l.programOn(t, l.prefix()+"client", q.Name(), args...)
}

func TestPOSIXClientsAreAnsweredByAGoServer(t *testing.T) {
	inEachPOSIX(t, func(t *testing.T, l language, q *posix.Queue) {
		out, err := l.posixClient(t, q, "30", "hello").Output()
		if string(out) != "no reply in time\n" || err == nil {
			t.Errorf("without a server: %q, %v", out, err)
		}
		handle(t, q, func(_ context.Context, request []byte) ([]byte, error) {
			if string(request) == "tea" {
				return nil, &rpc.RemoteError{Code: 1418, Text: "I am a teapot"}
			}
			return bytes.ToUpper(request), nil
		}, rpc.Config{})
		long := strings.Repeat("long ", 600)
		out, err = l.posixClient(t, q, "20000", "hello", "", long, "tea", "water").Output()
		if want := "HELLO\n\n" + strings.ToUpper(long) + "\nerror 1418: I am a teapot\nWATER\n"; string(out) != want || err == nil {
			t.Errorf("printed\n%s, %v; not\n%s", out, err, want)
		}
	})
}

func TestPOSIXInboxesOfClientsThatAreStoppedOrKilledGo(t *testing.T) {
	inEachPOSIX(t, func(t *testing.T, l language, q *posix.Queue) {
		for signal, collected := range map[os.Signal]bool{syscall.SIGTERM: false, syscall.SIGKILL: true} {
			client := l.posixClient(t, q, "20000", "hello")
			if err := client.Start(); err != nil {
				t.Fatal(err)
			}
			asked, err := q.Receive(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			address := string(asked.Data[40 : 40+int(asked.Data[32])])
			if err := client.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			client.Wait()
			removed, err := posix.RemoveDeadInboxes()
			if err != nil || slices.Contains(removed, strings.TrimPrefix(address, "posix:")) != collected {
				t.Errorf("%v: %s: removed %v, %v", signal, address, removed, err)
			}
			if _, err := q.OpenInbox(address); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%v: %s is still there: %v", signal, address, err)
			}
		}
	})
}

func TestAGoClientIsAnsweredByPOSIXServers(t *testing.T) {
	inEachPOSIX(t, func(t *testing.T, l language, q *posix.Queue) {
		s := &peer{Cmd: l.programOn(t, l.prefix()+"server", q.Name())}
		s.start(t)
		client, err := rpc.NewClient(q, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		var group sync.WaitGroup
		for c := range 4 {
			group.Go(func() {
				for i := range 50 {
					text := strings.Repeat(fmt.Sprintf("caller %d, %d. ", c, i), 1+i)
					if got, err := client.Request(ctx, requests, []byte(text)); err != nil || string(got) != strings.ToUpper(text) {
						t.Errorf("%q: got %q, %v", text, got, err)
						return
					}
				}
			})
		}
		group.Wait()
		var remote *rpc.RemoteError
		if _, err := client.Request(ctx, requests, nil); !errors.As(err, &remote) || remote.Code != 1024 {
			t.Errorf("an empty request: %v", err)
		}
		victim := "/ipcmq-example-victim"
		other, err := posix.Open(victim, &posix.Config{Exclusive: true, MaxMessages: 1, MaxMessageSize: 100})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { other.Unlink(); other.Close() }()
		for _, b := range [][]byte{
			[]byte("hello"), request(1, "posix:/ipcmq-inbox-1", "expired"), request(0, "sysv:1", ""), request(0, "posix:"+victim, ""),
			request(0, "posix:/ipcmq-inbox-/../"+victim[1:], ""), request(0, "posix:/ipcmq-inbox-0-0-0-0-none", ""),
			request(0, "posix:"+victim+"\x00/ipcmq-inbox-", ""), request(0, "", ""),
		} {
			if err := q.Send(ctx, mq.Message{Data: b}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := client.Request(ctx, requests, []byte("last")); err != nil {
			t.Error(err)
		}
		if _, err := other.TryReceive(); !errors.Is(err, mq.ErrEmpty) {
			t.Errorf("another queue: %v", err)
		}
		s.Process.Signal(syscall.SIGTERM)
		want := "handled 202, malformed 1, expired 1, refused 6, replies lost 0\n"
		if err := s.Wait(); err != nil || s.out.String() != want {
			t.Errorf("printed\n%s, %v; not\n%s", s.out.String(), err, want)
		}
	})
}
