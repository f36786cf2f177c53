package sys_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"ipcmq/internal/sys"
)

// newMq creates a queue that can hold one message of 8 bytes.
func newMq(t *testing.T, flags int) (fd int, name string) {
	t.Helper()
	name = fmt.Sprintf("/ipcmq-test-%d-%s", os.Getpid(), rand.Text())
	fd, errno := sys.MqOpen(name, flags|sys.MQ_RDWR|sys.MQ_CREAT|sys.MQ_EXCL, 0o600, &sys.MqAttr{MaxMessages: 1, MaxMessageSize: 8})
	if errno != 0 {
		t.Fatal(errno)
	}
	f := os.NewFile(uintptr(fd), name)
	t.Cleanup(func() {
		f.Close()
		if errno := sys.MqUnlink(name); errno != 0 {
			t.Error(errno)
		}
	})
	return fd, name
}

func TestMqAttrIsReadBack(t *testing.T) {
	fd, name := newMq(t, sys.MQ_NONBLOCK)
	if errno := sys.TryMqSend(fd, []byte("x"), 0, nil); errno != 0 {
		t.Fatal(errno)
	}
	want := sys.MqAttr{MaxMessages: 1, MaxMessageSize: 8, Messages: 1}
	if got, errno := sys.MqGetAttr(fd); errno != 0 || got != want {
		t.Errorf("got %+v, %v; want %+v", got, errno, want)
	}
	if _, errno := sys.MqOpen(name, sys.MQ_RDWR|sys.MQ_CREAT|sys.MQ_EXCL, 0o600, nil); errno != sys.EEXIST {
		t.Errorf("created again: %v", errno)
	}
	if _, errno := sys.MqOpen(name+strings.Repeat("x", 256), sys.MQ_RDWR, 0, nil); errno == 0 {
		t.Error("a name of more than 255 bytes was opened")
	}
}

func TestMqReceiveWritesNoMoreThanTheMessage(t *testing.T) {
	fd, _ := newMq(t, sys.MQ_NONBLOCK)
	for _, data := range []string{"", "hello", "8 bytes."} {
		if errno := sys.TryMqSend(fd, []byte(data), 32767, nil); errno != 0 {
			t.Fatal(errno)
		}
		canary := []byte("canarycanary")
		n, priority, errno := sys.TryMqReceive(fd, canary[:8], nil)
		if errno != 0 || priority != 32767 || string(canary[:n]) != data || string(canary[n:]) != "canarycanary"[n:] {
			t.Errorf("got %q, priority %d, %v; behind it %q", canary[:n], priority, errno, canary[n:])
		}
	}
}

// With O_NONBLOCK as well as with a deadline in the past.
func TestTryingNeverWaits(t *testing.T) {
	for flags, d := range map[int]*sys.Deadline{sys.MQ_NONBLOCK: nil, 0: new(sys.Deadline)} {
		fd, _ := newMq(t, flags)
		buf := make([]byte, 8)
		if _, _, errno := sys.TryMqReceive(fd, buf, d); errno != sys.EAGAIN {
			t.Errorf("receive from an empty queue: %v", errno)
		}
		if errno := sys.TryMqSend(fd, buf, 0, d); errno != 0 {
			t.Errorf("send: %v", errno)
		}
		if errno := sys.TryMqSend(fd, buf, 0, d); errno != sys.EAGAIN {
			t.Errorf("send to a full queue: %v", errno)
		}
		if n, _, errno := sys.TryMqReceive(fd, buf, d); errno != 0 || n != 8 {
			t.Errorf("receive: %d, %v", n, errno)
		}
	}
}

// The kernel begins the call again after the signal, and finds that its deadline
// has passed.
func TestADeadlineThatIsMadeToPassEndsASleepingCall(t *testing.T) {
	fd, _ := newMq(t, 0)
	if errno := sys.MqCanSleep(); errno != 0 {
		t.Fatal(errno)
	}
	var d sys.Deadline
	d.Never()
	tid, answer := make(chan int), make(chan sys.Errno)
	go func() {
		runtime.LockOSThread()
		tid <- sys.Gettid()
		_, _, errno := sys.MqReceive(fd, make([]byte, 8), &d)
		answer <- errno
	}()
	thread := <-tid
	wchan := fmt.Sprintf("/proc/self/task/%d/wchan", thread)
	for asleep := false; !asleep; runtime.Gosched() {
		b, err := os.ReadFile(wchan)
		if err != nil {
			t.Fatal(err)
		}
		asleep = strings.TrimSpace(string(b)) == "wq_sleep"
	}
	sys.Kick(thread) // changes nothing: the call goes on
	select {
	case errno := <-answer:
		t.Fatalf("a signal alone ended the call: %v", errno)
	default:
	}
	d.Expire()
	sys.Kick(thread)
	if errno := <-answer; errno != sys.ETIMEDOUT {
		t.Errorf("got %v, want %v", errno, sys.ETIMEDOUT)
	}
}
