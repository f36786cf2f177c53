package sysv_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

// An inbox is what NewInbox returns, which is also a Queue.
type inbox interface {
	mq.Inbox
	ID() int
	Stat() (sysv.Stat, error)
	Peek(index int) (mq.Message, error)
	Set(change func(*sysv.Settings)) error
	Check() error
}

// newInbox creates an inbox that is removed after the test.
func newInbox(tb testing.TB, q *sysv.Queue) inbox {
	tb.Helper()
	testutil.NotEmulated(tb, "the emulator has modes of 16 bits", "s390x")
	in, err := q.NewInbox()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := in.Remove(); err != nil && !errors.Is(err, mq.ErrRemoved) && !errors.Is(err, mq.ErrClosed) {
			tb.Error(err)
		}
		in.Close()
	})
	return in.(inbox)
}

func TestInboxesAreMarkedAndNameTheirProcess(t *testing.T) {
	for mode, want := range map[fs.FileMode]fs.FileMode{0: 0o611, 0o600: 0o611, 0o620: 0o631, 0o602: 0o613, 0o622: 0o633} {
		q := newQueue(t, &sysv.Config{InboxMode: mode})
		in := newInbox(t, q)
		st, err := in.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode != want || st.Key != sysv.Private || st.Messages != 1 || st.Bytes != 40 {
			t.Errorf("%+v, want mode %v", st, want)
		}
		if got, want := in.Address(), fmt.Sprintf("sysv:%d", in.ID()); got != want {
			t.Errorf("address %q, want %q", got, want)
		}
		m, err := in.Peek(0)
		if errors.Is(err, errors.ErrUnsupported) {
			testutil.Lacking(t, "MSG_COPY")
		}
		if err != nil || m.Type != 2 || string(m.Data[:8]) != "ipcq\x01\x06\x00\x00" || binary.LittleEndian.Uint64(m.Data[8:]) != uint64(os.Getpid()) {
			t.Errorf("the record is %v, %v", m, err)
		}
	}
	for _, mode := range []fs.FileMode{0o100, 0o200, 0o400, 0o640, 0o644, 0o666, 0o711} {
		if _, err := sysv.Open(sysv.Private, &sysv.Config{InboxMode: mode}); !errors.Is(err, mq.ErrInvalidConfig) || !strings.Contains(err.Error(), fmt.Sprintf("%#o", mode)) {
			t.Errorf("InboxMode %#o: %v", mode, err)
		}
	}
}

// The record of the owner is not a reply: receiving all replies does not take
// it.
func TestTheRecordStaysInTheInbox(t *testing.T) {
	q := newQueue(t, nil)
	in := newInbox(t, q)
	all, err := in.Select(mq.Any())
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]mq.Receiver{"the inbox": in, "Select(Any)": all} {
		if m, err := r.TryReceive(); !errors.Is(err, mq.ErrEmpty) {
			t.Errorf("%s: got %v, %v", name, m, err)
		}
		send(t, in, 1)
		if m, err := r.TryReceive(); err != nil || m.Type != 1 {
			t.Errorf("%s: got %v, %v", name, m, err)
		}
	}
	if st, err := in.Stat(); err != nil || st.Messages != 1 {
		t.Errorf("%+v, %v", st, err)
	}
}

// A reply that does not fit in together with the record can never be sent.
func TestRepliesHaveTheRoomThatTheRecordLeaves(t *testing.T) {
	q := newQueue(t, nil)
	in := newInbox(t, q)
	if err := in.Set(func(s *sysv.Settings) { s.Capacity = 100 }); err != nil {
		t.Fatal(err)
	}
	out, err := q.OpenInbox(in.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if n := out.(mq.Queue).Capabilities().MaxPayload; n != 60 {
		t.Errorf("MaxPayload = %d", n)
	}
	if err := out.TrySend(mq.Message{Type: 1, Data: make([]byte, 60)}); err != nil {
		t.Error(err)
	}
	for _, n := range []int{61, 100, 101} {
		if err := out.TrySend(mq.Message{Type: 1, Data: make([]byte, n)}); !errors.Is(err, mq.ErrTooLarge) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if err := out.TrySend(mq.Message{Type: 1, Data: make([]byte, 1)}); !errors.Is(err, mq.ErrFull) {
		t.Errorf("one byte too many now: %v", err)
	}
}

func TestInboxesTakeReplies(t *testing.T) {
	q := newQueue(t, nil)
	in := newInbox(t, q)
	out, err := q.OpenInbox(in.Address())
	if err != nil {
		t.Fatal(err)
	}
	if err := out.Send(t.Context(), mq.Message{Type: 1, Data: []byte("reply")}); err != nil {
		t.Fatal(err)
	}
	if m, err := in.Receive(t.Context()); err != nil || string(m.Data) != "reply" {
		t.Errorf("got %q, %v", m.Data, err)
	}
	if _, err := out.(mq.Queue).TryReceive(); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a server receives from an inbox: %v", err)
	}
	if err := out.Close(); err != nil {
		t.Error(err)
	}
	if err := out.TrySend(mq.Message{Type: 1}); !errors.Is(err, mq.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	if out, err = q.OpenInbox(in.Address()); err != nil { // Close does not remove
		t.Fatal(err)
	}
	defer out.Close()
	again, err := sysv.OpenID(in.ID(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := again.Remove(); err != nil {
		t.Fatal(err)
	}
	if err := out.TrySend(mq.Message{Type: 1}); !errors.Is(err, mq.ErrRemoved) {
		t.Errorf("after Remove: %v", err)
	}
	if _, err := q.OpenInbox(in.Address()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Remove: %v", err)
	}
}

func TestOnlyInboxesAreOpenedForReplies(t *testing.T) {
	q := newQueue(t, nil)
	in := newInbox(t, q)
	id := strconv.Itoa(in.ID())
	keyed, err := sysv.Open(sysv.Key(0x1badb002), &sysv.Config{Exclusive: true})
	if err != nil {
		t.Fatal(err)
	}
	defer keyed.Close()
	defer keyed.Remove()
	for _, address := range []string{
		"", "sysv", "sysv:", id, "SYSV:" + id, " sysv:" + id, "sysv: " + id, "sysv:" + id + " ", "sysv:" + id + "\x00",
		"sysv:-1", "sysv:-" + id, "sysv:0x10", "sysv:1e3", "sysv:99999999999999999999", "sysv:2147483648", "posix:" + id,
		fmt.Sprintf("sysv:%d", q.ID()), fmt.Sprintf("sysv:%d", keyed.ID()),
	} {
		if out, err := q.OpenInbox(address); out != nil || !errors.Is(err, mq.ErrNotInbox) {
			t.Errorf("%q: %v", address, err)
		}
	}
	if _, err := q.OpenInbox("sysv:2147483647"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such queue: %v", err)
	}
	for _, victim := range []*sysv.Queue{q, keyed} {
		if n := waiting(t, victim); n != 0 {
			t.Errorf("%v got %d messages", victim, n)
		}
	}
}

func TestCheckReportsWhetherTheQueueExists(t *testing.T) {
	q := newQueue(t, nil)
	if err := q.Check(); err != nil {
		t.Error(err)
	}
	other, err := sysv.OpenID(q.ID(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if err := other.Check(); !errors.Is(err, mq.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if _, err := other.NewInbox(); !errors.Is(err, mq.ErrClosed) {
		t.Errorf("an inbox of a closed queue: %v", err)
	}
	if err := q.Remove(); err != nil {
		t.Fatal(err)
	}
	if err := q.Check(); !errors.Is(err, mq.ErrRemoved) {
		t.Errorf("removed: %v", err)
	}
}

func init() {
	// Both hold an inbox until they are killed.
	for role, cfg := range map[string]*sysv.Config{"inbox": nil, "keyed inbox": {InboxKeys: true}} {
		roles[role] = func() { makeInboxAndWait(cfg) }
	}
	roles["take one"] = func() {
		id, _ := strconv.Atoi(os.Args[1])
		q, err := sysv.OpenID(id, nil)
		if err == nil {
			if _, err = q.TryReceive(); err == nil {
				fmt.Println(id)
				io.Copy(io.Discard, os.Stdin)
			}
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func makeInboxAndWait(cfg *sysv.Config) {
	id, _ := strconv.Atoi(os.Args[1])
	q, err := sysv.OpenID(id, cfg)
	if err == nil {
		var in mq.Inbox
		if in, err = q.NewInbox(); err == nil {
			fmt.Println(in.(inbox).ID())
			io.Copy(io.Discard, os.Stdin)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// startWith starts a process that prints an id, which it returns.
func startWith(t *testing.T, role string, q *sysv.Queue) (cmd *exec.Cmd, id int) {
	t.Helper()
	cmd = testutil.Command(t, role, strconv.Itoa(q.ID()))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.StdinPipe(); err != nil { // it waits for the end of it
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err == nil {
		id, err = strconv.Atoi(strings.TrimSpace(line))
	}
	if err != nil {
		t.Fatal(err)
	}
	return cmd, id
}
