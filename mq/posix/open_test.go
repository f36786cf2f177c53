package posix_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/posix"
)

// wants fails the test unless err matches target and its text contains all
// parts.
func wants(t *testing.T, err, target error, parts ...string) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("got error %v, want one that matches %v", err, target)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got error %v, want one with %q", err, part)
		}
	}
}

func TestBadNamesAreExplained(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"", "is empty"},
		{"/", "only a slash"},
		{"jobs", `should be "/jobs"`},
		{"jobs/", "does not begin with a slash"},
		{"/a/b", "a second slash"},
		{"//a", "a second slash"},
		{"/a/", "a second slash"},
		{"/.", ". and .. are not allowed"},
		{"/..", ". and .. are not allowed"},
		{"/a\x00b", "NUL"},
		{"/" + strings.Repeat("x", 256), "256 bytes after its slash, but only 255 are allowed"},
	} {
		_, err := posix.Open(c.name, nil)
		wants(t, err, mq.ErrInvalidConfig, c.want)
		if len(err.Error()) > 200 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
		wants(t, posix.Unlink(c.name), mq.ErrInvalidConfig, c.want)
	}
}

func TestLongAndOddNamesAreFine(t *testing.T) {
	base := newName()
	for _, name := range []string{
		base + strings.Repeat("x", 256-len(base)), base + " with blanks\n", base + "\xff\xfe", base + ".é",
	} {
		q := open(t, name, &posix.Config{MaxMessages: 1, MaxMessageSize: 1, Exclusive: true})
		open(t, name, &posix.Config{OpenOnly: true})
		if err := q.Unlink(); err != nil {
			t.Error(err)
		}
	}
}

func TestBadConfigsAreRefused(t *testing.T) {
	name := newName()
	for _, c := range []struct {
		cfg  posix.Config
		want string
	}{
		{posix.Config{Access: 3}, "Access = 3"},
		{posix.Config{Mode: 0o700}, "Mode"},
		{posix.Config{Mode: fs.ModeDir | 0o600}, "Mode"},
		{posix.Config{InboxMode: 0o100}, "InboxMode"},
		{posix.Config{Exclusive: true, OpenOnly: true}, "contradict"},
		{posix.Config{MaxMessages: -1}, "MaxMessages = -1"},
		{posix.Config{MaxMessageSize: -1}, "MaxMessageSize = -1"},
		{posix.Config{OpenOnly: true, MaxMessages: 1}, "OpenOnly"},
	} {
		_, err := posix.Open(name, &c.cfg)
		wants(t, err, mq.ErrInvalidConfig, c.want, name)
	}
	if math.MaxInt > math.MaxInt32 {
		huge := math.MaxInt32
		huge++
		_, err := posix.Open(name, &posix.Config{MaxMessages: huge})
		wants(t, err, mq.ErrInvalidConfig, "MaxMessages")
		_, err = posix.Open(name, &posix.Config{MaxMessageSize: huge})
		wants(t, err, mq.ErrInvalidConfig, "MaxMessageSize")
	}
	wants(t, posix.Unlink(name), fs.ErrNotExist, "no such queue")
}

func TestOpenCreatesOnceAndReadsBackTheSizes(t *testing.T) {
	name := newName()
	_, err := posix.Open(name, &posix.Config{OpenOnly: true})
	wants(t, err, fs.ErrNotExist, name, "OpenOnly")

	q := open(t, name, &posix.Config{MaxMessages: 3, MaxMessageSize: 100, Exclusive: true})
	defer posix.Unlink(name)
	if !q.Created() || q.Name() != name || q.String() != name {
		t.Errorf("Created %v, Name %q, String %q", q.Created(), q.Name(), q)
	}
	_, err = posix.Open(name, &posix.Config{Exclusive: true})
	wants(t, err, fs.ErrExist, name, "Exclusive")

	again := open(t, name, &posix.Config{MaxMessages: 5, MaxMessageSize: 200})
	if again.Created() {
		t.Error("the second handle says that it created the queue")
	}
	if err := q.TrySend(mq.Message{}); err != nil {
		t.Fatal(err)
	}
	for _, q := range []*posix.Queue{q, again} {
		if a, err := q.Attr(); err != nil || a != (posix.Attr{MaxMessages: 3, MaxMessageSize: 100, Messages: 1}) {
			t.Errorf("Attr: %+v, %v", a, err)
		}
		if n := q.Capabilities().MaxPayload; n != 100 {
			t.Errorf("MaxPayload = %d, want 100", n)
		}
	}
	wants(t, again.TrySend(mq.Message{Data: make([]byte, 101)}), mq.ErrTooLarge, "101 bytes", "100")
}

func TestSizesNotGivenAreTheSystemsDefaults(t *testing.T) {
	l, err := posix.SystemLimits()
	if err != nil {
		t.Fatal(err)
	}
	messages, size := min(l.DefaultMessages, l.MaxMessages), min(l.DefaultMessageSize, l.MaxMessageSize)
	for _, c := range []struct {
		cfg  *posix.Config
		want posix.Attr
	}{
		{nil, posix.Attr{MaxMessages: messages, MaxMessageSize: size}},
		{&posix.Config{MaxMessages: 2}, posix.Attr{MaxMessages: 2, MaxMessageSize: size}},
		{&posix.Config{MaxMessageSize: 5}, posix.Attr{MaxMessages: messages, MaxMessageSize: 5}},
	} {
		q := open(t, newName(), c.cfg)
		if got, err := q.Attr(); err != nil || got != c.want {
			t.Errorf("%+v: got %+v, %v; want %+v", c.cfg, got, err, c.want)
		}
		if err := errors.Join(q.Unlink(), q.Close()); err != nil {
			t.Error(err)
		}
	}
}

func TestAccessIsEnforced(t *testing.T) {
	q := newQueue(t, nil)
	for _, mode := range modes {
		reads := open(t, q.Name(), &posix.Config{Access: mq.ReadOnly, OpenOnly: true, Blocking: mode.blocking})
		writes := open(t, q.Name(), &posix.Config{Access: mq.WriteOnly, OpenOnly: true, Blocking: mode.blocking})
		m := mq.Message{Data: []byte("x")}
		wants(t, reads.Send(t.Context(), m), fs.ErrPermission, "read-only")
		wants(t, reads.TrySend(m), fs.ErrPermission, "read-only")
		_, err := writes.Receive(t.Context())
		wants(t, err, fs.ErrPermission, "write-only")
		_, err = writes.TryReceive()
		wants(t, err, fs.ErrPermission, "write-only")
		wants(t, writes.ReceiveInto(t.Context(), &m), fs.ErrPermission, "write-only")
		wants(t, writes.TryReceiveInto(&m), fs.ErrPermission, "write-only")
		if err := writes.Send(t.Context(), m); err != nil {
			t.Error(err)
		}
		if _, err := reads.Receive(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func init() { roles["access"] = access }

// access opens the queue in its argument as another user, with every access.
func access() {
	if err := sys.Become(nobody()); err != nil {
		fail("become: %v", err)
	}
	for a, want := range map[mq.Access]bool{mq.ReadOnly: false, mq.WriteOnly: true, mq.ReadWrite: false} {
		q, err := posix.Open(os.Args[1], &posix.Config{Access: a, OpenOnly: true})
		if err == nil {
			q.Close()
		}
		if (err == nil) != want || err != nil && (!errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), a.String())) {
			fail("opening %v: %v", a, err)
		}
	}
	if err := posix.Unlink(os.Args[1]); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "owner") {
		fail("unlink: %v", err)
	}
	_, err := posix.Open(os.Args[1], &posix.Config{Access: mq.WriteOnly, Owners: []int{nobody()}})
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "trusted") {
		fail("another user's queue was trusted: %v", err)
	}
	q, err := posix.Open(os.Args[1], &posix.Config{Access: mq.WriteOnly, Owners: []int{0, nobody()}})
	if err != nil {
		fail("%v", err)
	}
	q.Close()
	// A queue that is created here belongs to the caller, and is not
	// removed again.
	own := os.Args[1] + "-own"
	q, err = posix.Open(own, &posix.Config{Owners: []int{0}})
	if err != nil || !q.Created() {
		fail("a queue of this user: %v", err)
	}
	if err := q.Unlink(); err != nil {
		fail("%v", err)
	}
	q.Close()
}

// nobody returns a user with no other processes, and so with an unused
// RLIMIT_MSGQUEUE.
func nobody() int { return 1<<20 + os.Getppid() }

// fail ends a child with a message.
func fail(format string, args ...any) {
	fmt.Printf(format+"\n", args...)
	os.Exit(1)
}

// child runs a role and, if it fails, fails the test with its output.
func child(t *testing.T, role string, args ...string) {
	t.Helper()
	if out, err := testutil.Command(t, role, args...).Output(); err != nil {
		t.Errorf("%s: %v: %s", role, err, out)
	}
}

func TestTheModeAndTheOwnerCount(t *testing.T) {
	testutil.NeedRoot(t)
	q := newQueue(t, &posix.Config{Mode: 0o622, MaxMessages: 1, MaxMessageSize: 1})
	// The umask clears the same bits as in the mode of a file.
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o622); err != nil {
		t.Fatal(err)
	}
	want, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(testutil.NeedMqueue(t) + q.Name())
	if err != nil || info.Mode() != want.Mode() {
		t.Errorf("mode %v, %v; want %v", info.Mode(), err, want.Mode())
	}
	if err := os.Chmod(testutil.NeedMqueue(t)+q.Name(), 0o622); err != nil {
		t.Fatal(err)
	}
	child(t, "access", q.Name())
}

func TestUnlinkedQueuesExistUntilTheyAreClosed(t *testing.T) {
	for _, mode := range modes {
		old := newQueue(t, &posix.Config{MaxMessages: 1, MaxMessageSize: 8, Blocking: mode.blocking})
		if err := errors.Join(old.Check(), old.TrySend(mq.Message{Data: []byte("old")}), old.Unlink()); err != nil {
			t.Fatal(err)
		}
		wants(t, old.Check(), mq.ErrRemoved, "unlinked")
		wants(t, old.Unlink(), fs.ErrNotExist)
		wants(t, posix.Unlink(old.Name()), fs.ErrNotExist)
		_, err := posix.Open(old.Name(), &posix.Config{OpenOnly: true})
		wants(t, err, fs.ErrNotExist)

		young := open(t, old.Name(), &posix.Config{MaxMessages: 1, MaxMessageSize: 8, Exclusive: true})
		if err := young.TrySend(mq.Message{Data: []byte("young")}); err != nil {
			t.Fatal(err)
		}
		for want, q := range map[string]*posix.Queue{"old": old, "young": young} {
			if m, err := q.Receive(t.Context()); err != nil || string(m.Data) != want {
				t.Errorf("got %q, %v; want %q", m.Data, err, want)
			}
		}
		if err := young.Unlink(); err != nil {
			t.Error(err)
		}
	}
}

func TestClosedHandlesRefuseTheOtherMethodsToo(t *testing.T) {
	q := newQueue(t, nil)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := q.Attr()
	wants(t, err, mq.ErrClosed)
	_, err = q.SyscallConn()
	wants(t, err, mq.ErrClosed)
	_, err = q.NewInbox()
	wants(t, err, mq.ErrClosed)
	wants(t, q.Check(), mq.ErrClosed)
	wants(t, q.Unlink(), mq.ErrClosed)
}

func TestSyscallConnGivesTheDescriptor(t *testing.T) {
	for _, mode := range modes {
		q := newQueue(t, &posix.Config{MaxMessages: 2, MaxMessageSize: 8, Blocking: mode.blocking})
		conn, err := q.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var a sys.MqAttr
		var errno sys.Errno
		if err := conn.Control(func(fd uintptr) { a, errno = sys.MqGetAttr(int(fd)) }); err != nil || errno != 0 || a.MaxMessages != 2 {
			t.Errorf("got %+v, %v, %v", a, err, errno)
		}
	}
}
