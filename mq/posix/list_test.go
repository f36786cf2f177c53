package posix_test

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/posix"
)

// listed returns the Stat of the queue from Queues.
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
		t.Errorf("unlinked, but listed as %+v", s)
	}
}

// A queue whose state cannot be read does not keep the others from being
// listed.
func TestListingContinuesAfterABadQueue(t *testing.T) {
	mount := fstest.MapFS{
		"a": {Data: []byte("QSIZE:3          NOTIFY:2     SIGNO:0     NOTIFY_PID:77    \n"), Mode: 0o640},
		"b": {Data: []byte("nonsense"), Mode: 0o600},
		"c": {Data: []byte("QSIZE:1 NOTIFY:0 SIGNO:0 NOTIFY_PID:0\n")},
		"d": {Data: []byte("QSIZE:nonsense")},
	}
	list := func() (stats []posix.Stat, last error) {
		for s, err := range posix.QueuesIn(mount) {
			if last != nil {
				t.Errorf("%+v, %v come after an error", s, err)
			}
			if err == nil {
				stats = append(stats, s)
			} else if s != (posix.Stat{}) {
				t.Errorf("%+v comes with %v", s, err)
			}
			last = err
		}
		return stats, last
	}
	want := []posix.Stat{{Name: "/a", Mode: 0o640, Bytes: 3, NotifyPID: 77}, {Name: "/b", Mode: 0o600, Bytes: -1}, {Name: "/c", Bytes: 1}, {Name: "/d", Bytes: -1}}
	got, err := list()
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	var e *mq.Error
	if !errors.As(err, &e) || e.Queue != "/b" || !strings.Contains(err.Error(), "the first of 2 errors: mqueue b: no QSIZE") {
		t.Errorf("the error is %v", err)
	}
	delete(mount, "d")
	if got, err = list(); len(got) != 3 || err == nil || strings.Contains(err.Error(), "first of") {
		t.Errorf("with one bad queue: %d, %v", len(got), err)
	}
	delete(mount, "b")
	if got, err = list(); len(got) != 2 || err != nil {
		t.Errorf("with none: %d, %v", len(got), err)
	}
	for range posix.QueuesIn(mount) {
		break
	}
}

// Any user can create a queue with any name, which must not hide those of
// others.
func TestNamesOfAnyBytesAreListed(t *testing.T) {
	testutil.NeedMqueue(t)
	names := []string{"/first", "/\xff", "/a\nb", "/\x1b[31m", "/ ", "/\\", "/..a", "/" + strings.Repeat("\xfe", 255)}
	small := &posix.Config{MaxMessages: 1, MaxMessageSize: 64} // all queues of this user share RLIMIT_MSGQUEUE
	for _, name := range names {
		q, err := posix.Open(name, small)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { q.Unlink(); q.Close() })
		if err := q.TrySend(mq.Message{Data: []byte("hello")}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range names {
		if s, ok := listed(t, name); !ok || s.Bytes != 5 || s.Mode != 0o600 {
			t.Errorf("%q: %+v, %t", name, s, ok)
		}
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
