package posix_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/posix"
)

func TestSystemLimitsAreThoseOfProc(t *testing.T) {
	l, err := posix.SystemLimits()
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]int{
		"msg_default": l.DefaultMessages, "msg_max": l.MaxMessages, "msgsize_default": l.DefaultMessageSize,
		"msgsize_max": l.MaxMessageSize, "queues_max": l.MaxQueues,
	} {
		b, err := os.ReadFile("/proc/sys/fs/mqueue/" + name)
		if want := strings.TrimSpace(string(b)); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s = %d, want %s (%v)", name, got, want, err)
		}
	}
	b, err := os.ReadFile("/proc/self/limits")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if after, ok := strings.CutPrefix(line, "Max msgqueue size"); ok {
			want := strings.ReplaceAll(strings.Join(strings.Fields(after)[:2], " "), "unlimited", "-1")
			if got := fmt.Sprintf("%d %d", l.UserBytes, l.MaxUserBytes); got != want {
				t.Errorf("RLIMIT_MSGQUEUE is %s, want %s", got, want)
			}
		}
	}
}

func TestFootprintIsTheFormulaOfGetrlimit(t *testing.T) {
	record := int64(48)
	if strconv.IntSize == 32 {
		record = 24
	}
	for _, c := range []struct {
		messages, size int
		want           int64
	}{
		{10, 8192, 10*8192 + 20*record},
		{1, 1, 1 + 2*record},
		{65536, 16, 65536*(16+record) + 32768*record},
	} {
		if got := posix.Footprint(c.messages, c.size); got != c.want {
			t.Errorf("Footprint(%d, %d) = %d, want %d", c.messages, c.size, got, c.want)
		}
	}
}

func init() {
	roles["over limits"] = overLimits
	roles["fill the limit of bytes"] = fillBytes
	roles["fill the limit of queues"] = fillQueues
}

// unprivileged takes the rights of root from a child; otherwise limits would
// not apply to it, and its queues would be counted with others.
func unprivileged() {
	if os.Geteuid() == 0 {
		_ = sys.Become(nobody()) // fails in a user namespace of one user, whose root has no such rights
	}
}

func overLimits() {
	unprivileged()
	l, err := posix.SystemLimits()
	if err != nil {
		fail("%v", err)
	}
	for _, c := range []struct {
		cfg  posix.Config
		want string
	}{
		{posix.Config{MaxMessages: l.MaxMessages + 1}, fmt.Sprintf(
			"MaxMessages = %d exceeds fs.mqueue.msg_max = %d (sysctl -w fs.mqueue.msg_max=%[1]d)", l.MaxMessages+1, l.MaxMessages)},
		{posix.Config{MaxMessageSize: l.MaxMessageSize + 1}, fmt.Sprintf(
			"MaxMessageSize = %d bytes exceeds fs.mqueue.msgsize_max = %d (sysctl -w fs.mqueue.msgsize_max=", l.MaxMessageSize+1, l.MaxMessageSize)},
		{posix.Config{MaxMessages: 1<<31 - 1, MaxMessageSize: 1<<31 - 1}, "msg_max"},
	} {
		name := newName()
		_, err := posix.Open(name, &c.cfg)
		if !errors.Is(err, mq.ErrInvalidConfig) || !errors.Is(err, syscall.EINVAL) || !strings.Contains(err.Error(), c.want) {
			fail("%+v: %v, want %q", c.cfg, err, c.want)
		}
		if posix.Unlink(name) == nil {
			fail("%+v: the queue was created", c.cfg)
		}
	}
}

func TestOverLimitsNamesTheLimit(t *testing.T) { child(t, "over limits") }

// fillBytes creates queues of the default size until there are too many.
func fillBytes() {
	unprivileged()
	l, err := posix.SystemLimits()
	if err != nil {
		fail("%v", err)
	}
	each := posix.Footprint(l.DefaultMessages, l.DefaultMessageSize)
	fit := int(l.UserBytes / each)
	if fit > 100 {
		fail("RLIMIT_MSGQUEUE = %d has room for more than 100 queues of %d bytes", l.UserBytes, each)
	}
	for i := range fit + 1 {
		name := newName()
		q, err := posix.Open(name, nil)
		if err == nil {
			defer func() {
				if err := errors.Join(q.Unlink(), q.Close()); err != nil {
					fail("%v", err)
				}
			}()
		}
		switch {
		case i < fit && err != nil:
			fail("queue %d of %d that fit: %v", i+1, fit, err)
		case i == fit && err == nil:
			fail("queue %d was created, but %d fit", i+1, fit)
		case i == fit:
			for _, want := range []string{fmt.Sprintf("takes %d bytes", each), fmt.Sprintf("RLIMIT_MSGQUEUE = %d", l.UserBytes), "ulimit -q"} {
				if !errors.Is(err, syscall.EMFILE) || !strings.Contains(err.Error(), want) {
					fail("got %v, want %q", err, want)
				}
			}
		}
	}
	fmt.Println(fit)
}

func TestTheTenthQueueOfTheDefaultSizeNamesTheLimit(t *testing.T) {
	testutil.NeedRoot(t) // all queues of a user count, so it takes a user who has no others
	out, err := testutil.Command(t, "fill the limit of bytes").Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	l, err := posix.SystemLimits()
	if err != nil {
		t.Fatal(err)
	}
	if l.UserBytes == 819200 && l.DefaultMessages == 10 && l.DefaultMessageSize == 8192 && string(out) != "9\n" {
		t.Errorf("%s queues of the default size fit, want 9", out)
	}
}

// fillQueues finds that no more queues may be created.
func fillQueues() {
	unprivileged()
	_, err := posix.Open(newName(), &posix.Config{MaxMessages: 1, MaxMessageSize: 1})
	if want := os.Args[1]; !errors.Is(err, sys.ENOSPC) || !strings.Contains(err.Error(), want) {
		fail("got %v, want %q", err, want)
	}
}

func TestTooManyQueuesNamesTheLimit(t *testing.T) {
	testutil.NeedNamespace(t)
	const file = "/proc/sys/fs/mqueue/queues_max"
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	newQueue(t, nil)
	if err := os.WriteFile(file, []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.WriteFile(file, before, 0); err != nil {
			t.Error(err)
		}
	}()
	child(t, "fill the limit of queues", "there are fs.mqueue.queues_max = 1 queues already (unlink those that nobody uses, or sysctl -w fs.mqueue.queues_max=2)")
}

func init() { roles["no descriptors"] = noDescriptors }

// noDescriptors opens a queue when the process has no descriptor left, for which
// the kernel returns the same errno as for too many bytes, and then waits on a
// queue in this state.
func noDescriptors() {
	q, err := posix.Open(os.Args[1], nil)
	if err != nil {
		fail("%v", err)
	}
	var files []*os.File
	for err == nil {
		var f *os.File
		if f, err = os.Open(os.DevNull); err == nil {
			files = append(files, f)
		}
	}
	_, err = posix.Open(os.Args[1], nil)
	if !errors.Is(err, syscall.EMFILE) || !strings.Contains(err.Error(), "RLIMIT_NOFILE") {
		fail("with %d files open: %v", len(files), err)
	}
	_, err = q.Receive(context.Background())
	if !errors.Is(err, syscall.EMFILE) || !strings.Contains(err.Error(), "RLIMIT_NOFILE") {
		fail("waiting with %d files open: %v", len(files), err)
	}
	if err := q.TrySend(mq.Message{Data: []byte("kept")}); err != nil {
		fail("%v", err)
	}
	files[0].Close()
	if m, err := q.Receive(context.Background()); err != nil || string(m.Data) != "kept" {
		fail("got %q, %v", m.Data, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, err := q.Receive(ctx); !errors.Is(err, context.DeadlineExceeded) {
		fail("waiting with one descriptor: %v", err)
	}
}

func TestTooManyDescriptorsNamesTheLimit(t *testing.T) {
	q := newQueue(t, nil)
	cmd := testutil.Command(t, "no descriptors", q.Name())
	limited := []string{"sh", "-c", `ulimit -n 64; exec "$@"`, "sh"}
	cmd.Args = append(limited, cmd.Args...)
	sh, err := exec.LookPath(limited[0])
	if err != nil {
		testutil.Lacking(t, "a shell")
	}
	cmd.Path = sh
	if out, err := cmd.Output(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
