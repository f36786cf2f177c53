package posix_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"

	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mq/posix"
)

// descriptor opens a queue as a program in C would and returns it as a file.
func descriptor(tb testing.TB, name string, flags int) *os.File {
	tb.Helper()
	fd, errno := sys.MqOpen(name, flags, 0, nil)
	if errno != 0 {
		tb.Fatal(errno)
	}
	f := os.NewFile(uintptr(fd), "a descriptor")
	tb.Cleanup(func() { f.Close() })
	return f
}

// inherited makes a handle for a descriptor that it closes immediately.
func inherited(tb testing.TB, name string, flags int) *posix.Queue {
	tb.Helper()
	f := descriptor(tb, name, flags)
	q, err := posix.FromFile(f, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { q.Close() })
	if err := f.Close(); err != nil {
		tb.Error(err)
	}
	return q
}

func TestContractOfInheritedQueues(t *testing.T) {
	testutil.NotEmulated(t, "other queues make the same calls and are tested; this saves time")
	for name, flags := range map[string]int{"Poller": sys.MQ_RDWR | sys.MQ_NONBLOCK, "Blocking": sys.MQ_RDWR} {
		t.Run(name, func(t *testing.T) {
			mqtest.TestQueue(t, func(t *testing.T) func() mq.Queue {
				q := newQueue(t, nil)
				return func() mq.Queue { return inherited(t, q.Name(), flags) }
			})
		})
	}
}

func TestTheAccessIsThatOfTheDescriptor(t *testing.T) {
	name := newQueue(t, nil).Name()
	for flags, want := range map[int]mq.Access{sys.MQ_RDONLY: mq.ReadOnly, sys.MQ_WRONLY: mq.WriteOnly, sys.MQ_RDWR: mq.ReadWrite} {
		q := inherited(t, name, flags|sys.MQ_NONBLOCK)
		if q.Name() != name || q.String() != name || q.Created() {
			t.Errorf("name %q, %v, created %t", q.Name(), q, q.Created())
		}
		if err := q.TrySend(mq.Message{}); errors.Is(err, fs.ErrPermission) == want.CanSend() {
			t.Errorf("send %v: %v", want, err)
		}
		if _, err := q.TryReceive(); errors.Is(err, fs.ErrPermission) == want.CanReceive() {
			t.Errorf("receive %v: %v", want, err)
		}
	}
}

// Other processes may have the same open file, and share its flags.
func TestTheFlagsOfTheDescriptorStay(t *testing.T) {
	name := newQueue(t, nil).Name()
	for _, flag := range []int{0, sys.MQ_NONBLOCK} {
		f := descriptor(t, name, sys.MQ_RDWR|flag)
		q, err := posix.FromFile(f, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, full := q.Usage()
		_, err = q.TryReceive()
		if full != nil || !errors.Is(err, mq.ErrEmpty) {
			t.Errorf("%v, %v", full, err)
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
		conn, err := f.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		conn.Control(func(fd uintptr) {
			if got, errno := sys.FileFlags(int(fd)); errno != 0 || got&sys.MQ_NONBLOCK != flag {
				t.Errorf("flags %#x, %v; want O_NONBLOCK to be %#x", got, errno, flag)
			}
			if _, errno := sys.MqGetAttr(int(fd)); errno != 0 {
				t.Errorf("closing the handle has closed the file: %v", errno)
			}
		})
	}
}

func TestOtherFilesAreRefused(t *testing.T) {
	pipe, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	defer end.Close()
	closed, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	queue := descriptor(t, newQueue(t, nil).Name(), sys.MQ_RDWR)
	open := func(path string) *os.File {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	for _, c := range []struct {
		f    *os.File
		cfg  *posix.Config
		want string
	}{
		{nil, nil, "nil"},
		{closed, nil, "closed"},
		{pipe, nil, `"|0" is not a POSIX message queue`},
		{open(os.DevNull), nil, `"/dev/null" is not a POSIX message queue`},
		{open(t.TempDir()), nil, "is not a POSIX message queue"},
		{open(testutil.NeedMqueue(t)), nil, "it is not an open message queue"},
		{queue, &posix.Config{Mode: 0o600}, "only Owners and InboxMode apply"},
		{queue, &posix.Config{Blocking: true}, "only Owners and InboxMode apply"},
		{queue, &posix.Config{InboxMode: 0o777}, "InboxMode"},
	} {
		_, err := posix.FromFile(c.f, c.cfg)
		wants(t, err, mq.ErrInvalidConfig, c.want)
	}
	_, err = posix.FromFile(queue, &posix.Config{Owners: []int{os.Geteuid() + 1}})
	wants(t, err, fs.ErrPermission, "trusted")
}

// A file of a mounted queue file system is a queue, once it is open.
func TestAFileOfTheMountedDirectoryIsAQueue(t *testing.T) {
	dir := testutil.NeedMqueue(t)
	for _, name := range []string{newName(), newName() + " (deleted)", newName() + "\n\xff"} {
		own := open(t, name, nil)
		defer own.Unlink()
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		q, err := posix.FromFile(f, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close()
		if err := q.TrySend(mq.Message{Data: []byte("x")}); err != nil || q.Name() != name {
			t.Errorf("%v; name %q, want %q", err, q.Name(), name)
		}
		if err := q.Unlink(); err != nil {
			t.Error(err)
		}
		wants(t, own.Check(), mq.ErrRemoved)
	}
}

// Unlink removes the name only if it still belongs to the queue.
func TestUnlinkLeavesAnotherQueueWithTheNameAlone(t *testing.T) {
	for kind, again := range map[string]func(name string) *posix.Queue{
		"opened":    func(name string) *posix.Queue { return open(t, name, nil) },
		"inherited": func(name string) *posix.Queue { return inherited(t, name, sys.MQ_RDWR) },
	} {
		old := newQueue(t, nil)
		q := again(old.Name())
		if err := old.Unlink(); err != nil {
			t.Fatal(err)
		}
		young := open(t, old.Name(), &posix.Config{Exclusive: true, MaxMessages: 1, MaxMessageSize: 1})
		defer young.Unlink()
		wants(t, q.Unlink(), fs.ErrNotExist, "unlinked already")
		wants(t, q.Check(), mq.ErrRemoved)
		if err := young.Check(); err != nil || q.Name() != old.Name() {
			t.Errorf("%s: %v; name %q", kind, err, q.Name())
		}
	}
}

func init() {
	roles["inherits"] = inherits
	roles["is sent a queue"] = isSent
}

// inherits answers a message of a queue that it may not open itself, like a
// systemd service that runs as another user.
func inherits() {
	if err := sys.Become(nobody()); err != nil {
		fail("become: %v", err)
	}
	answer(os.NewFile(3, "LISTEN_FD_3"), os.Args[1])
}

func answer(f *os.File, name string) {
	if _, err := posix.Open(name, &posix.Config{OpenOnly: true}); !errors.Is(err, fs.ErrPermission) {
		fail("the queue can be opened: %v", err)
	}
	q, err := posix.FromFile(f, nil)
	if err != nil {
		fail("%v", err)
	}
	f.Close()
	m, err := q.Receive(context.Background())
	if err != nil || string(m.Data) != "ping" || q.Name() != name {
		fail("%q, %v; name %q", m.Data, err, q.Name())
	}
	if err := q.Send(context.Background(), mq.Message{Data: []byte("pong")}); err != nil {
		fail("%v", err)
	}
	if s, err := q.Stat(); err != nil || s.Bytes != 4 || s.Name != name {
		fail("%+v, %v", s, err)
	}
	if err := q.Unlink(); !errors.Is(err, fs.ErrPermission) {
		fail("unlink: %v", err)
	}
	q.Close()
}

func TestAChildInheritsAQueueThatItMayNotOpen(t *testing.T) {
	testutil.NeedRoot(t)
	for _, flag := range []int{0, sys.MQ_NONBLOCK} {
		q := newQueue(t, nil)
		cmd := testutil.Command(t, "inherits", q.Name())
		cmd.ExtraFiles = []*os.File{descriptor(t, q.Name(), sys.MQ_RDWR|flag)}
		pingPong(t, q, cmd.Output)
	}
}

// pingPong sends ping, and expects pong from the process that run runs.
func pingPong(t *testing.T, q *posix.Queue, run func() ([]byte, error)) {
	t.Helper()
	if err := q.TrySend(mq.Message{Data: []byte("ping")}); err != nil {
		t.Fatal(err)
	}
	if out, err := run(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if m, err := q.TryReceive(); err != nil || string(m.Data) != "pong" {
		t.Errorf("%q, %v", m.Data, err)
	}
}

// isSent gets a descriptor through the socket in its argument.
func isSent() {
	if err := sys.Become(nobody()); err != nil {
		fail("become: %v", err)
	}
	conn, err := net.FileConn(os.NewFile(3, "socket"))
	if err != nil {
		fail("%v", err)
	}
	control := make([]byte, 256)
	_, n, _, _, err := conn.(*net.UnixConn).ReadMsgUnix(make([]byte, 1), control)
	if err != nil {
		fail("%v", err)
	}
	f, err := sys.RightsFile(control[:n])
	if err != nil {
		fail("%v", err)
	}
	answer(f, os.Args[1])
}

func TestAQueueIsSentThroughASocket(t *testing.T) {
	testutil.NeedRoot(t)
	q := newQueue(t, nil)
	path := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	other, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	file, err := other.(*net.UnixConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, _, err := conn.(*net.UnixConn).WriteMsgUnix([]byte{0}, sys.FileRights(descriptor(t, q.Name(), sys.MQ_RDWR)), nil); err != nil {
		t.Fatal(err)
	}
	cmd := testutil.Command(t, "is sent a queue", q.Name())
	cmd.ExtraFiles = []*os.File{file}
	pingPong(t, q, cmd.Output)
}

// Descriptor 3 is the first that systemd passes, see sd_listen_fds(3).
func ExampleFromFile() {
	q, err := posix.FromFile(os.NewFile(3, "jobs"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer q.Close()
}
