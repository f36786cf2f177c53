package posix_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/posix"
)

func TestInboxesTakeReplies(t *testing.T) {
	for _, mode := range modes {
		requests := newQueue(t, &posix.Config{MaxMessages: 3, MaxMessageSize: 100, Blocking: mode.blocking})
		in, err := requests.NewInbox()
		if err != nil {
			t.Fatal(err)
		}
		if a, err := in.(interface{ Attr() (posix.Attr, error) }).Attr(); err != nil || a != (posix.Attr{MaxMessages: 3, MaxMessageSize: 100}) {
			t.Errorf("Attr: %+v, %v", a, err)
		}
		if len(in.Address()) > 255 {
			t.Errorf("an address of %d bytes", len(in.Address()))
		}
		server := open(t, requests.Name(), nil)
		out, err := server.OpenInbox(in.Address())
		if err != nil {
			t.Fatal(err)
		}
		if err := out.Send(t.Context(), mq.Message{Data: []byte("reply")}); err != nil {
			t.Fatal(err)
		}
		if m, err := in.Receive(t.Context()); err != nil || string(m.Data) != "reply" {
			t.Errorf("got %q, %v", m.Data, err)
		}
		if err := out.Close(); err != nil {
			t.Error(err)
		}
		if err := in.Remove(); err != nil {
			t.Error(err)
		}
		if err := in.Close(); err != nil {
			t.Error(err)
		}
		_, err = server.OpenInbox(in.Address())
		wants(t, err, fs.ErrNotExist)
	}
}

func TestOnlyInboxesAreOpenedForReplies(t *testing.T) {
	q := newQueue(t, nil)
	in, err := q.NewInbox()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer in.Remove()
	name := strings.TrimPrefix(in.Address(), "posix:")
	for _, address := range []string{
		"", "posix:", "posix:" + q.Name(), q.Name(), name, "sysv:" + name, "POSIX:" + name, "posix:" + name[1:],
		"posix:/" + name, "posix:/ipcmq-inbox-/../" + q.Name()[1:], "posix:" + name + strings.Repeat("x", 256),
		"posix:" + name + "\x00", " posix:" + name,
	} {
		_, err := q.OpenInbox(address)
		wants(t, err, mq.ErrNotInbox)
	}
	_, err = q.OpenInbox("posix:" + name + "x")
	wants(t, err, fs.ErrNotExist)
}

func init() { roles["inbox"] = inbox }

// inbox creates an inbox on the queue in its argument and prints its address;
// then it waits.
func inbox() {
	q, err := posix.Open(os.Args[1], nil)
	if err != nil {
		fail("%v", err)
	}
	in, err := q.NewInbox()
	if err != nil {
		fail("%v", err)
	}
	fmt.Println(in.Address())
	bufio.NewReader(os.Stdin).ReadString('\n')
}

func TestInboxesOfDeadProcessesAreRemoved(t *testing.T) {
	testutil.NotEmulated(t, "the emulator shows a process another start time of itself than others see")
	testutil.NeedMqueue(t)
	q := newQueue(t, &posix.Config{MaxMessages: 1, MaxMessageSize: 1})
	mine, err := q.NewInbox()
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()

	cmd := testutil.Command(t, "inbox", q.Name())
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(strings.TrimSpace(line), "posix:")

	removed, err := posix.RemoveDeadInboxes()
	if err != nil || len(removed) > 0 {
		t.Errorf("with both processes alive, removed %q, %v", removed, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	removed, err = posix.RemoveDeadInboxes()
	if err != nil || !slices.Equal(removed, []string{name}) {
		t.Errorf("removed %q, %v; want %q", removed, err, name)
	}
	if err := mine.Remove(); err != nil {
		t.Errorf("the inbox of this process is gone: %v", err)
	}
}

// Only a name of a process that has certainly ended is unlinked.
func TestInboxesThatCannotBeJudgedStay(t *testing.T) {
	testutil.NotEmulated(t, "the emulator shows a process another start time of itself than others see")
	testutil.NeedMqueue(t)
	q := newQueue(t, &posix.Config{MaxMessages: 1, MaxMessageSize: 1})
	mine, err := q.NewInbox()
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	defer mine.Remove()
	p := strings.Split(strings.TrimPrefix(mine.Address(), "posix:/ipcmq-inbox-"), "-")
	if len(p) != 5 {
		t.Fatalf("the address is %s", mine.Address())
	}
	for name, removed := range map[string]bool{
		strings.Join([]string{p[0], p[1], p[2], p[3], "A"}, "-"):         false, // of this process
		strings.Join([]string{p[0], p[1], p[2], "1", "A"}, "-"):          true,  // the pid is used again
		strings.Join([]string{p[0], p[1], "4194304", "1", "A"}, "-"):     true,  // gone
		strings.Join([]string{"1", p[1], p[2], "1", "A"}, "-"):           false, // of another pid namespace
		strings.Join([]string{p[0], "1", p[2], "1", "A"}, "-"):           false, // of another time namespace
		strings.Join([]string{p[0], p[1], "0", "1", "A"}, "-"):           false,
		strings.Join([]string{p[0], p[1], "99999999999", "1", "A"}, "-"): false,
		strings.Join([]string{p[0], p[1], "-1", "1", "A"}, "-"):          false,
		"0-0-0-0-A":     false, // of a process that knew nothing
		"1-2-A":         false,
		"":              false,
		"x-x-x-x-x":     false,
		"1-2-3-4-5-6-7": false,
	} {
		other, err := posix.Open("/ipcmq-inbox-"+name, &posix.Config{Exclusive: true, MaxMessages: 1, MaxMessageSize: 1})
		if err != nil {
			t.Fatal(err)
		}
		dead, unknown, err := posix.DeadInboxes()
		known := removed || name == strings.Join([]string{p[0], p[1], p[2], p[3], "A"}, "-")
		if err != nil || slices.Contains(dead, other.Name()) != removed || slices.Contains(unknown, other.Name()) == known {
			t.Errorf("%s: dead %q, unknown %q, %v", name, dead, unknown, err)
		}
		got, err := posix.RemoveDeadInboxes()
		if err != nil || slices.Equal(got, []string{other.Name()}) != removed || len(got) > 1 {
			t.Errorf("%s: removed %q, %v", name, got, err)
		}
		if !removed {
			other.Unlink()
		}
		other.Close()
	}
}

func init() { roles["inbox within limits"] = inboxWithinLimits }

// inboxWithinLimits creates inboxes, as a user without the rights of root, of a
// queue that is larger than the limits allow now.
func inboxWithinLimits() {
	unprivileged()
	q, err := posix.Open(os.Args[1], nil)
	if err != nil {
		fail("%v", err)
	}
	l, err := posix.SystemLimits()
	if err != nil {
		fail("%v", err)
	}
	in, err := q.NewInbox()
	if err != nil {
		fail("%v", err)
	}
	a, err := in.(interface{ Attr() (posix.Attr, error) }).Attr()
	if want := (posix.Attr{MaxMessages: l.MaxMessages, MaxMessageSize: l.MaxMessageSize}); err != nil || a != want {
		fail("got %+v, %v, want %+v", a, err, want)
	}
	// As many as the user may have, the last of them smaller.
	var last posix.Attr
	made := []mq.Inbox{in}
	for {
		in, err := q.NewInbox()
		if err != nil {
			if !errors.Is(err, syscall.EMFILE) {
				fail("%v", err)
			}
			break
		}
		made = append(made, in)
		if last, err = in.(interface{ Attr() (posix.Attr, error) }).Attr(); err != nil {
			fail("%v", err)
		}
	}
	if last.MaxMessages != 1 || last.MaxMessageSize != l.MaxMessageSize {
		fail("the last of %d holds %+v", len(made), last)
	}
	for _, in := range made {
		if err := errors.Join(in.Remove(), in.Close()); err != nil {
			fail("%v", err)
		}
	}
}

func TestInboxesStayWithinTheLimitsOfTheirUser(t *testing.T) {
	testutil.NeedNamespace(t)
	testutil.NeedRoot(t)
	l, err := posix.SystemLimits()
	if err != nil {
		t.Fatal(err)
	}
	set := func(name string, value int) {
		t.Helper()
		if err := os.WriteFile("/proc/sys/fs/mqueue/"+name, []byte(strconv.Itoa(value)), 0); err != nil {
			t.Fatal(err)
		}
	}
	set("msg_max", l.MaxMessages+5)
	set("msgsize_max", l.MaxMessageSize+1000)
	q := newQueue(t, &posix.Config{Mode: 0o666, MaxMessages: l.MaxMessages + 5, MaxMessageSize: l.MaxMessageSize + 1000})
	set("msg_max", l.MaxMessages)
	set("msgsize_max", l.MaxMessageSize)
	if err := os.Chmod(testutil.NeedMqueue(t)+q.Name(), 0o666); err != nil { // since the umask cleared bits
		t.Fatal(err)
	}
	child(t, "inbox within limits", q.Name())
}

// A queue without a name can be sent to by those who have it open: nobody would
// receive what a server replies.
func TestUnlinkedInboxTakesNoReplies(t *testing.T) {
	q := newQueue(t, nil)
	in, err := q.NewInbox()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := q.OpenInbox(in.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := out.TrySend(mq.Message{Data: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	if err := in.Remove(); err != nil {
		t.Fatal(err)
	}
	if err := out.TrySend(mq.Message{}); !errors.Is(err, mq.ErrRemoved) {
		t.Errorf("TrySend to an inbox that was unlinked: %v", err)
	}
	if err := out.Send(t.Context(), mq.Message{}); !errors.Is(err, mq.ErrRemoved) {
		t.Errorf("Send to an inbox that was unlinked: %v", err)
	}
	if m, err := in.TryReceive(); err != nil || string(m.Data) != "x" {
		t.Errorf("got %q, %v", m.Data, err)
	}
	if m, err := in.TryReceive(); !errors.Is(err, mq.ErrEmpty) {
		t.Errorf("got %q, %v", m.Data, err)
	}
	out.Close()
	if err := out.TrySend(mq.Message{}); !errors.Is(err, mq.ErrClosed) {
		t.Errorf("TrySend after Close: %v", err)
	}
}
