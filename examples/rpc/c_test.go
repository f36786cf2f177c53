package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
	"ipcmq/mux/rpc"
)

const requests = 7 // the type of the requests between C and Go

//go:embed c
var programs embed.FS

// compile compiles c/name.c and returns a command that runs it on q.
func compile(t *testing.T, name string, q *sysv.Queue, args ...string) *exec.Cmd {
	t.Helper()
	if _, err := exec.LookPath("cc"); err != nil {
		testutil.Lacking(t, "a C compiler, cc")
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, programs); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, name)
	cc := exec.Command("cc", "-std=c11", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
		"-o", program, filepath.Join(dir, "c", name+".c"))
	if out, err := cc.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cc, err, out)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, program, append([]string{fmt.Sprint(q.ID()), fmt.Sprint(requests)}, args...)...)
	cmd.Stderr = os.Stderr
	return cmd
}

func newQueue(t *testing.T) *sysv.Queue {
	t.Helper()
	q, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Remove(); q.Close() })
	return q
}

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
func handle(t *testing.T, q *sysv.Queue, h rpc.Handler, cfg rpc.Config) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- rpc.Handle(ctx, q, requests, h, &cfg) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func newInbox(t *testing.T, q *sysv.Queue) mq.Inbox {
	t.Helper()
	in, err := q.NewInbox()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Remove(); in.Close() })
	return in
}

// runClient runs the C client with texts and compares what it prints.
func runClient(t *testing.T, q *sysv.Queue, milliseconds int, texts []string, status int, want string) {
	t.Helper()
	client := compile(t, "client", q, append([]string{fmt.Sprint(milliseconds)}, texts...)...)
	out, err := client.Output()
	if string(out) != want || client.ProcessState.ExitCode() != status {
		t.Errorf("printed\n%s, %v; not\n%s, exit status %d", out, err, want, status)
	}
}

func TestCClientIsAnsweredByAGoServer(t *testing.T) {
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
	runClient(t, q, 20_000, []string{"hello", "", long}, 0, "HELLO\n\n"+strings.ToUpper(long)+"\n")
	runClient(t, q, 20_000, []string{"tea", "milk", "panic", "water"}, 1,
		"error 1418: I am a teapot\nerror 1: out of milk\nerror 2: handler panicked: no\nWATER\n")
	if n := stats.Handled.Load(); n != 7 || stats.Lost.Load() != 0 || stats.Malformed.Load() != 0 {
		t.Errorf("%d handled, %d lost, %d malformed", n, stats.Lost.Load(), stats.Malformed.Load())
	}
}

func TestCClientGivesUpAtItsDeadline(t *testing.T) {
	q := newQueue(t)
	runClient(t, q, 30, []string{"hello", "again"}, 1, "no reply in time\nno reply in time\n")

	// A server that comes later sees that nobody waits any more.
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

	// It gives up sending too.
	full := newQueue(t)
	for full.TrySend(mq.Message{Type: 1, Data: make([]byte, 1000)}) == nil {
	}
	if err := full.Set(func(s *sysv.Settings) { s.Capacity = 1 }); err != nil {
		t.Fatal(err)
	}
	runClient(t, full, 30, []string{"hello"}, 1, "no reply in time\n")
}

func TestCClientTakesOnlyItsOwnReply(t *testing.T) {
	q := newQueue(t)
	client := compile(t, "client", q, "20000", "hello")
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
	if string(r[n:]) != "hello" {
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
		b[5], b[32] = 2, 0
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
		edit(5, 2, "the reply"),
		edit(5, 2, "once more"),
	} {
		if err := inbox.Send(t.Context(), mq.Message{Type: 1, Data: b}); err != nil {
			// The client may have gone with its inbox after the reply.
			if !strings.HasSuffix(string(b), "once more") {
				t.Fatal(err)
			}
		}
	}
	if err := client.Wait(); err != nil || out.String() != "the reply\n" {
		t.Errorf("printed %q, %v", out.String(), err)
	}
}

func TestInboxOfACClientThatIsStoppedOrKilledGoes(t *testing.T) {
	for _, c := range []struct {
		signal    os.Signal
		collected bool // by RemoveDeadInboxes; otherwise the client removes it
	}{
		{syscall.SIGTERM, false},
		{syscall.SIGKILL, true},
	} {
		t.Run(c.signal.String(), func(t *testing.T) {
			q := newQueue(t)
			client := compile(t, "client", q, "20000", "hello")
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
			collected := slices.ContainsFunc(removed, func(id int) bool { return fmt.Sprint("sysv:", id) == address })
			if collected != c.collected {
				t.Errorf("%s is among the collected %v: %t", address, removed, collected)
			}
			if _, err := q.OpenInbox(address); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is still there: %v", address, err)
			}
		})
	}
}

// A cServer is the C server, running on a queue.
type cServer struct {
	*exec.Cmd
	queue *sysv.Queue
	out   bytes.Buffer
}

func startServer(t *testing.T, q *sysv.Queue) *cServer {
	t.Helper()
	s := &cServer{Cmd: compile(t, "server", q), queue: q}
	s.Stdout = &s.out
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.ProcessState == nil {
			s.Process.Kill()
			s.Wait()
		}
	})
	return s
}

// end removes the queue, which ends the server, and compares what it prints.
func (s *cServer) end(t *testing.T, want string) {
	t.Helper()
	if err := s.queue.Remove(); err != nil {
		t.Fatal(err)
	}
	if err := s.Wait(); err != nil || s.out.String() != want {
		t.Errorf("printed\n%s, %v; not\n%s", s.out.String(), err, want)
	}
}

func TestGoClientIsAnsweredByACServer(t *testing.T) {
	q := newQueue(t)
	s := startServer(t, q)
	m := newClient(t, q)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var group sync.WaitGroup
	for c := range 8 {
		group.Go(func() {
			for i := range 50 {
				text := strings.Repeat(fmt.Sprintf("caller %d, %d. ", c, i), 1+i)
				got, err := m.Request(ctx, requests, []byte(text))
				if err != nil || string(got) != strings.ToUpper(text) {
					t.Errorf("%q: got %q, %v", text, got, err)
					return
				}
			}
		})
	}
	group.Wait()
	_, err := m.Request(ctx, requests, nil)
	var remote *rpc.RemoteError
	if !errors.As(err, &remote) || remote.Code != 1024 || remote.Text != "nothing to put in upper case" {
		t.Errorf("an empty request: %v", err)
	}
	if st := m.Stats(); st.Sent != 401 || st.Answered != 401 || st.Foreign+st.Late+st.Duplicate != 0 {
		t.Errorf("%+v", st)
	}
	s.end(t, "handled 401, malformed 0, expired 0, refused 0, replies lost 0\n")
}

// request returns a request as the documentation of package rpc specifies it.
func request(deadline int64, address, payload string) []byte {
	b := append([]byte("ipcq"), 1, 1, 0, 0)
	b = binary.LittleEndian.AppendUint64(b, 5) // id
	b = binary.LittleEndian.AppendUint64(b, 6) // token
	b = binary.LittleEndian.AppendUint64(b, uint64(deadline))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(address)))
	b = append(b, 0, 0, 0, 0, 0, 0)
	return append(append(b, address...), payload...)
}

// reply is a reply or an error to it.
func reply(kind, code byte, payload string) string {
	b := append([]byte("ipcq"), 1, kind, code, 0)
	if code != 0 && code != 3 {
		b[6], b[7] = 0, 4 // 1024
	}
	b = binary.LittleEndian.AppendUint64(b, 5)
	b = binary.LittleEndian.AppendUint64(b, 6)
	return string(append(b, make([]byte, 16)...)) + payload
}

func send(t *testing.T, q *sysv.Queue, data []byte) {
	t.Helper()
	if err := q.Send(t.Context(), mq.Message{Type: requests, Data: data}); err != nil {
		t.Fatal(err)
	}
}

// expect receives a reply and compares it byte by byte.
func expect(t *testing.T, inbox mq.Inbox, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	m, err := inbox.Receive(ctx)
	if err != nil || m.Type != 1 || string(m.Data) != want {
		t.Fatalf("got type %d, %q, %v; not %q", m.Type, m.Data, err, want)
	}
}

func TestCServerTrustsNothing(t *testing.T) {
	q := newQueue(t)
	inbox := newInbox(t, q)
	gone := newInbox(t, q)
	full := newInbox(t, q)
	if err := gone.Remove(); err != nil {
		t.Fatal(err)
	}
	for full.TrySend(mq.Message{Type: 1, Data: make([]byte, 100)}) == nil {
	}
	for full.TrySend(mq.Message{Type: 1}) == nil { // and by the number of messages
	}
	// Queues of another program: private, and with a key.
	private := newQueue(t)
	key, err := sysv.Ftok(t.TempDir(), 'v')
	if err != nil {
		t.Fatal(err)
	}
	keyed, err := sysv.Open(key, &sysv.Config{Exclusive: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { keyed.Remove(); keyed.Close() }()
	// One with a key and the mode of an inbox, which this library does not make.
	marked, errno := sys.Msgget(uint32(key)+1, sys.IPC_CREAT|sys.IPC_EXCL|0o611)
	if errno != 0 {
		t.Fatal(errno)
	}
	other, err := sysv.OpenID(marked, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { other.Remove(); other.Close() }()
	id, err := strconv.Atoi(strings.TrimPrefix(inbox.Address(), "sysv:"))
	if err != nil {
		t.Fatal(err)
	}
	s := startServer(t, q)

	edit := func(at int, values ...byte) []byte {
		b := request(0, inbox.Address(), "hello")
		copy(b[at:], values)
		return b
	}
	malformed := [][]byte{
		{},
		[]byte("hello"),
		edit(0)[:39],
		edit(3, 'Q'),
		edit(4, 0),
		edit(4, 2),
		edit(5, 0),
		edit(5, 2),
		edit(5, 3),
		edit(5, 4),
		edit(5, 255),
		edit(8, 0),
		edit(32, 255),
		edit(32, 0, 1),
		edit(32, 255, 255),
		request(0, "sysv:1", "")[:45],
		request(0, "sysv:"+strings.Repeat("0", 251), ""),
	}
	expired := [][]byte{
		request(1, inbox.Address(), "hello"),
		request(time.Now().UnixNano(), inbox.Address(), "hello"),
		request(math.MinInt64, inbox.Address(), "hello"),
	}
	var refused [][]byte
	for _, address := range []string{
		"", "sysv", "sysv:", "sysv:-1", "sysv: 1", "sysv:1 ", "sysv:0x1", "sysv:1\x00",
		"SYSV" + inbox.Address()[4:], "posix:/hello", "sysv:2147483647", "sysv:2147483648",
		"sysv:18446744073709551616", "sysv:" + strings.Repeat("9", 250),
		fmt.Sprint("sysv:", int64(id)+1<<32), gone.Address(), fmt.Sprint("sysv:", private.ID()),
		fmt.Sprint("sysv:", keyed.ID()), fmt.Sprint("sysv:", other.ID()), fmt.Sprint("sysv:", q.ID()),
	} {
		refused = append(refused, request(0, address, "hello"))
	}
	for _, list := range [][][]byte{malformed, expired, refused} {
		for _, b := range list {
			send(t, q, b)
		}
	}
	send(t, q, request(0, full.Address(), "hello"))
	send(t, q, request(math.MaxInt64, inbox.Address(), "hello"))
	send(t, q, request(0, "sysv:00000000"+inbox.Address()[5:], ""))
	expect(t, inbox, reply(2, 0, "HELLO"))
	expect(t, inbox, reply(3, 1, "nothing to put in upper case"))

	for _, victim := range []*sysv.Queue{private, keyed, other} {
		if m, err := victim.TryReceive(); !errors.Is(err, mq.ErrEmpty) {
			t.Errorf("%v has %q, %v", victim, m.Data, err)
		}
	}
	s.end(t, fmt.Sprintf("handled 3, malformed %d, expired %d, refused %d, replies lost 1\n",
		len(malformed), len(expired), len(refused)))
}

func TestCServerKeepsToTheLimitsOfTheSystem(t *testing.T) {
	testutil.NeedNamespace(t)
	set := func(limit, value string) {
		t.Helper()
		path := "/proc/sys/kernel/" + limit
		old, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(value), 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.WriteFile(path, old, 0) })
	}
	set("msgmax", "60000")
	set("msgmnb", "200000")
	q := newQueue(t)
	s := startServer(t, q)
	large := newInbox(t, q)
	set("msgmnb", "200")
	small := newInbox(t, q)

	text := strings.Repeat("x", 50_000) // more than the server expects at first
	send(t, q, request(0, large.Address(), text))
	expect(t, large, reply(2, 0, strings.ToUpper(text)))
	send(t, q, request(0, small.Address(), text))
	expect(t, small, reply(3, 3, "the reply does not fit into the inbox"))
	s.end(t, "handled 2, malformed 0, expired 0, refused 0, replies lost 0\n")
}
