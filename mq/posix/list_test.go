package posix_test

import (
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/posix"
)

// listed returns what Queues tells of the queue.
func listed(t *testing.T, name string) (posix.Stat, bool) {
	t.Helper()
	for s, err := range posix.Queues() {
		if err != nil {
			t.Fatal(err)
		}
		if s.Name == name {
			return s, true
		}
	}
	return posix.Stat{}, false
}

func TestQueuesAreListedWithTheirState(t *testing.T) {
	testutil.NeedMqueue(t)
	start := time.Now().Add(-time.Minute)
	q := newQueue(t, nil)
	for _, data := range []string{"hello", "world!"} {
		if err := q.TrySend(mq.Message{Data: []byte(data)}); err != nil {
			t.Fatal(err)
		}
	}
	s, ok := listed(t, q.Name())
	if !ok {
		t.Fatal("the queue is not listed")
	}
	if s.Changed.Before(start) || s.Changed.After(start.Add(2*time.Minute)) {
		t.Errorf("changed %v", s.Changed)
	}
	s.Changed = time.Time{}
	if want := (posix.Stat{Name: q.Name(), Mode: 0o600, UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()), Bytes: 11}); s != want {
		t.Errorf("got %+v, want %+v", s, want)
	}
	if err := q.Unlink(); err != nil {
		t.Fatal(err)
	}
	if s, ok := listed(t, q.Name()); ok {
		t.Errorf("unlinked, and listed as %+v", s)
	}
}

func TestListingEndsEarlyOrWithOneError(t *testing.T) {
	mount := fstest.MapFS{
		"a": {Data: []byte("QSIZE:3          NOTIFY:2     SIGNO:0     NOTIFY_PID:77    \n"), Mode: 0o640},
		"b": {Data: []byte("nonsense")},
		"c": {Data: []byte("QSIZE:1 NOTIFY:0 SIGNO:0 NOTIFY_PID:0\n")},
	}
	var names []string
	for s, err := range posix.QueuesIn(mount) {
		if len(names) == 1 {
			if err == nil || !strings.Contains(err.Error(), "/b") || s != (posix.Stat{}) {
				t.Errorf("got %+v, %v", s, err)
			}
		} else if err != nil || s.Bytes != 3 || s.NotifyPID != 77 || s.Mode != 0o640 {
			t.Errorf("got %+v, %v", s, err)
		}
		names = append(names, s.Name)
	}
	if len(names) != 2 {
		t.Errorf("got %q, want /a and an error", names)
	}
	for range posix.QueuesIn(mount) {
		break
	}
}

func init() { roles["list without rights"] = listWithoutRights }

// listWithoutRights lists a queue that this user may not read.
func listWithoutRights() {
	unprivileged()
	for s, err := range posix.Queues() {
		if err != nil {
			fail("%v", err)
		}
		if s.Name == os.Args[1] {
			if s.Bytes != -1 {
				fail("got %+v", s)
			}
			return
		}
	}
	fail("the queue is not listed")
}

func TestQueuesOfOthersAreListedToo(t *testing.T) {
	testutil.NeedRoot(t)
	testutil.NeedMqueue(t)
	child(t, "list without rights", newQueue(t, nil).Name())
}

func TestWithoutAMountTheErrorSaysHowToMount(t *testing.T) {
	n := 0
	for s, err := range posix.QueuesAt(fstest.MapFS{"self/mounts": {Data: []byte("proc /proc proc rw 0 0\n")}}) {
		wants(t, err, fs.ErrNotExist, "mkdir -p /dev/mqueue && mount -t mqueue none /dev/mqueue")
		if n++; n > 1 || s != (posix.Stat{}) {
			t.Errorf("pair %d: %+v", n, s)
		}
	}
	if n != 1 {
		t.Errorf("%d pairs, want one with the error", n)
	}
}
