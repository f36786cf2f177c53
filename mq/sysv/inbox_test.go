package sysv_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

// An inbox is what NewInbox returns, which is a Queue of this package too.
type inbox interface {
	mq.Inbox
	ID() int
	Stat() (sysv.Stat, error)
	Peek(index int) (mq.Message, error)
	Set(change func(*sysv.Settings)) error
}

// newInbox makes an inbox that is removed after the test.
func newInbox(tb testing.TB, q *sysv.Queue) inbox {
	tb.Helper()
	testutil.NotEmulated(tb, "the emulator makes the mode 16 bits", "s390x")
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

// The record of the owner is no reply: nothing that receives all replies takes
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

// A reply that does not fit beside the record can never be sent.
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
	if n := out.(*sysv.Queue).Capabilities().MaxPayload; n != 60 {
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
		t.Errorf("one byte too much now: %v", err)
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
	if _, err := out.(*sysv.Queue).TryReceive(); !errors.Is(err, fs.ErrPermission) {
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

func TestCheckTellsWhetherTheQueueExists(t *testing.T) {
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
	// Both wait, with what they have, until they are killed.
	roles["inbox"] = func() {
		id, _ := strconv.Atoi(os.Args[1])
		q, err := sysv.OpenID(id, nil)
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

// startWith starts a process that prints an id, which it returns.
func startWith(t *testing.T, role string, q *sysv.Queue) (cmd *exec.Cmd, id int) {
	t.Helper()
	cmd = testutil.Command(t, role, strconv.Itoa(q.ID()))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.StdinPipe(); err != nil { // what it waits for
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

func TestInboxesOfDeadProcessesAreRemoved(t *testing.T) {
	testutil.NotEmulated(t, "the emulator shows the process ids of queues wrongly")
	testutil.NeedNamespace(t)
	q := newQueue(t, nil)
	mine := newInbox(t, q)
	private := newQueue(t, nil) // of a dead process, but no inbox
	send(t, private, 1)
	taker, _ := startWith(t, "take one", private)
	alive, aliveID := startWith(t, "inbox", q)
	var dead []int
	for range 3 {
		cmd, id := startWith(t, "inbox", q)
		dead = append(dead, id)
		cmd.Process.Kill()
		cmd.Wait()
	}
	slices.Sort(dead)
	taker.Process.Kill()
	taker.Wait()

	removed, err := sysv.RemoveDeadInboxes()
	slices.Sort(removed)
	if err != nil || !slices.Equal(removed, dead) {
		t.Errorf("removed %v, %v; want %v", removed, err, dead)
	}
	for _, kept := range []int{mine.ID(), aliveID, private.ID()} {
		if other, err := sysv.OpenID(kept, nil); err != nil {
			t.Errorf("queue %d is gone: %v", kept, err)
		} else {
			other.Close()
		}
	}
	if removed, err := sysv.RemoveDeadInboxes(); err != nil || len(removed) > 0 {
		t.Errorf("again, removed %v, %v", removed, err)
	}

	// Killed and not waited for, a process is a zombie.
	alive.Process.Kill()
	testutil.Await(t, func() error {
		removed, err := sysv.RemoveDeadInboxes()
		if err != nil || !slices.Equal(removed, []int{aliveID}) {
			return fmt.Errorf("removed %v, %v; want %d", removed, err, aliveID)
		}
		return nil
	})
	alive.Wait()
}

// privateQueue makes a queue as other programs do, with a mode of their choice.
func privateQueue(t *testing.T, mode int) *sysv.Queue {
	t.Helper()
	testutil.NotEmulated(t, "the emulator makes the mode 16 bits", "s390x")
	id, errno := sys.Msgget(uint32(sysv.Private), sys.IPC_CREAT|sys.IPC_EXCL|mode)
	if errno != 0 {
		t.Fatal(errno)
	}
	q, err := sysv.OpenID(id, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		q.Remove()
		q.Close()
	})
	return q
}

// C programs give their private queues the mode 0777, or the decimal 777.
func TestPrivateQueuesOfOtherProgramsAreNoInboxes(t *testing.T) {
	q := newQueue(t, nil)
	for _, mode := range []int{0o777, 0o1777, 777, 0o711, 0o755, 0o700, 0o600, 0o610, 0o601, 0o651, 0o615, 0o666, 0o011, 0o211} {
		if mode&0o400 == 0 && os.Geteuid() != 0 {
			continue
		}
		other := privateQueue(t, mode)
		if _, err := q.OpenInbox(fmt.Sprintf("sysv:%d", other.ID())); !errors.Is(err, mq.ErrNotInbox) {
			t.Errorf("mode %#o: %v", mode, err)
		}
	}
	if removed, err := sysv.RemoveDeadInboxes(); err != nil || len(removed) > 0 {
		t.Errorf("removed %v, %v", removed, err)
	}
}

// Only an inbox whose record names a process that has certainly ended is
// removed.
func TestInboxesThatCannotBeJudgedStay(t *testing.T) {
	testutil.NeedNamespace(t)
	in := newInbox(t, newQueue(t, nil))
	mine, err := in.Peek(0)
	if err != nil {
		t.Fatal(err)
	}
	record := func(changes map[int]uint64) mq.Message {
		b := bytes.Clone(mine.Data)
		for field, value := range changes {
			binary.LittleEndian.PutUint64(b[8+8*field:], value)
		}
		return mq.Message{Type: 2, Data: b}
	}
	const pid, start, pidSpace, timeSpace = 0, 1, 2, 3
	ended := map[int]uint64{start: 1} // whoever has this pid now began later
	for _, c := range []struct {
		name     string
		messages []mq.Message
		removed  bool
	}{
		{"of this process", []mq.Message{record(nil)}, false},
		{"of one whose pid is used again", []mq.Message{record(ended)}, true},
		{"of one that has ended, with replies", []mq.Message{record(ended), {Type: 1}}, true},
		{"of one that is gone", []mq.Message{record(map[int]uint64{pid: 1 << 22})}, true},
		{"of another pid namespace", []mq.Message{record(map[int]uint64{start: 1, pidSpace: 1})}, false},
		{"of another time namespace", []mq.Message{record(map[int]uint64{start: 1, timeSpace: 1})}, false},
		{"of nobody", []mq.Message{record(map[int]uint64{pid: 0, start: 0, pidSpace: 0, timeSpace: 0})}, false},
		{"pid too large", []mq.Message{record(map[int]uint64{pid: 1 << 32, start: 1})}, false},
		{"a record behind another message", []mq.Message{{Type: 1}, record(ended)}, false},
		{"a record of another type", []mq.Message{{Type: 3, Data: record(ended).Data}}, false},
		{"a record that is cut", []mq.Message{{Type: 2, Data: record(ended).Data[:39]}}, false},
		{"no record", []mq.Message{{Type: 2, Data: []byte("something else of 40 bytes, with the type")}}, false},
		{"empty", nil, false},
	} {
		q := privateQueue(t, 0o611)
		for _, m := range c.messages {
			if err := q.TrySend(m); err != nil {
				t.Fatal(err)
			}
		}
		removed, err := sysv.RemoveDeadInboxes()
		if err != nil || slices.Equal(removed, []int{q.ID()}) != c.removed || len(removed) > 1 {
			t.Errorf("%s: removed %v, %v", c.name, removed, err)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte("ipcq\x01\x06\x00\x00" + strings.Repeat("\x01\x00\x00\x00\x00\x00\x00\x00", 4)))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := sysv.ParseRecord(b)
		if err == nil && (len(b) != 40 || p.PID <= 0) {
			t.Errorf("%q is %+v", b, p)
		}
	})
}
