package sysv_test

import (
	"bufio"
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
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

// newInbox makes an inbox that is removed after the test.
func newInbox(tb testing.TB, q *sysv.Queue) *sysv.Inbox {
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
	return in.(*sysv.Inbox)
}

func TestInboxesAreMarkedAndNameTheirProcess(t *testing.T) {
	testutil.NotEmulated(t, "the emulator shows the process ids of queues wrongly")
	for _, mode := range []fs.FileMode{0, 0o620, 0o622} {
		q := newQueue(t, &sysv.Config{InboxMode: mode})
		in := newInbox(t, q)
		st, err := in.Stat()
		if err != nil {
			t.Fatal(err)
		}
		want := mode | 0o111
		if mode == 0 {
			want = 0o711
		}
		if st.Mode != want || st.Key != sysv.Private || st.LastReceiver != os.Getpid() || st.Messages != 0 {
			t.Errorf("%+v, want mode %v", st, want)
		}
		if got, want := in.Address(), fmt.Sprintf("sysv:%d", in.ID()); got != want {
			t.Errorf("address %q, want %q", got, want)
		}
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
				fmt.Println(in.(*sysv.Inbox).ID())
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

// TestAProcessThatOnlyInheritedThePidDoesNotKeepAnInbox makes a younger process
// the last receiver of an inbox, as one would be that got the pid of its owner.
func TestAProcessThatOnlyInheritedThePidDoesNotKeepAnInbox(t *testing.T) {
	testutil.NotEmulated(t, "the emulator shows the process ids of queues wrongly")
	testutil.NeedNamespace(t)
	q := newQueue(t, nil)
	in := newInbox(t, q)
	send(t, in.Queue, 1)
	startWith(t, "take one", in.Queue) // in the same second or the next: may be the owner
	if removed, err := sysv.RemoveDeadInboxes(); err != nil || len(removed) > 0 {
		t.Errorf("removed %v, %v", removed, err)
	}
	created := time.Now()
	testutil.Await(t, func() error { // /proc and the kernel's times are exact to a second each
		if age := time.Since(created); age < 4100*time.Millisecond {
			return fmt.Errorf("the inbox is only %v old", age)
		}
		return nil
	})
	send(t, in.Queue, 1)
	startWith(t, "take one", in.Queue)
	removed, err := sysv.RemoveDeadInboxes()
	if err != nil || !slices.Equal(removed, []int{in.ID()}) {
		t.Errorf("removed %v, %v; want %d", removed, err, in.ID())
	}
}
