package large_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"

	"ipcmq/internal/procfs"
	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/large"
	"ipcmq/mq/sysv"
)

// expect ends a process unless a condition holds.
func expect(ok bool, format string, args ...any) {
	if !ok {
		fmt.Fprintf(os.Stderr, format+"\n", args...)
		os.Exit(1)
	}
}

func number(arg int) int {
	n, err := strconv.Atoi(os.Args[arg])
	expect(err == nil, "%v", err)
	return n
}

// child runs a process to its end.
func child(t *testing.T, role string, args ...any) {
	t.Helper()
	var words []string
	for _, a := range args {
		words = append(words, fmt.Sprint(a))
	}
	if err := testutil.Command(t, role, words...).Run(); err != nil {
		t.Fatalf("%s: %v", role, err)
	}
}

// openID opens and wraps a queue in a process of a test.
func openID(id int, access mq.Access) *large.Queue {
	q, err := sysv.OpenID(id, &sysv.Config{Access: access})
	expect(err == nil, "%v", err)
	w, err := large.Wrap(q, nil)
	expect(err == nil, "%v", err)
	return w
}

const alice, bob = 1001, 1002

// Users who may only write, who may only read, and who may not read the queue.
func TestEachUserHasTheAccessThatTheQueueGives(t *testing.T) {
	testutil.NeedRoot(t)
	q := openSysV(t, sysv.Private, nil)
	t.Cleanup(func() {
		q.Remove()
		q.Close()
	})
	for _, mode := range []os.FileMode{0o602, 0o622, 0o606, 0o646} {
		err := q.Set(func(s *sysv.Settings) { s.Mode, s.UID, s.GID = mode, alice, alice })
		if err != nil {
			t.Fatal(err)
		}
		child(t, "send as", q.ID(), bob)
		child(t, "receive as", q.ID(), alice, len(pattern(100_000)))
		child(t, "send as", q.ID(), bob)
		if mode&0o004 != 0 {
			child(t, "receive as", q.ID(), bob+1, len(pattern(100_000)))
		} else {
			child(t, "steal as", q.ID(), bob+1)
			child(t, "receive as", q.ID(), alice, len(pattern(100_000)))
		}
		child(t, "send as", q.ID(), alice)
		child(t, "receive as", q.ID(), alice, len(pattern(100_000)))
		if n := segments(t); n != 0 {
			t.Errorf("mode %o: %d segments are left", mode, n)
		}
	}
}

func init() {
	roles["send as"] = func() {
		expect(sys.Become(number(2)) == nil, "become")
		access := mq.WriteOnly
		if number(2) == alice {
			access = mq.ReadWrite
		}
		q := openID(number(1), access)
		err := q.Send(context.Background(), mq.Message{Type: 1, Data: pattern(100_000)})
		expect(err == nil, "%v", err)
		expect(q.Close() == nil, "close")
	}
	roles["receive as"] = func() {
		expect(sys.Become(number(2)) == nil, "become")
		access := mq.ReadWrite
		if number(2) != alice {
			access = mq.ReadOnly
		}
		q := openID(number(1), access)
		m, err := q.Receive(context.Background())
		expect(err == nil && bytes.Equal(m.Data, pattern(number(3))), "%d bytes, %v", len(m.Data), err)
		expect(q.Close() == nil, "close")
	}
	roles["steal as"] = func() {
		expect(sys.Become(number(2)) == nil, "become")
		seen := 0
		for s, err := range procfs.Segments(procfs.Root) {
			expect(err == nil, "%v", err)
			seen++
			_, errno := sys.ShmAttach(s.ID, true)
			expect(errno == sys.EACCES, "segment %d, of %d bytes: %v", s.ID, s.Size, errno)
		}
		expect(seen > 0, "no segments")
	}
}
