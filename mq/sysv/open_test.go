package sysv_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

// nobody is a user that is neither root nor the one who runs the tests.
const nobody = 65534

// freeKey returns a key that names no queue, and removes the queue that the
// test creates with it.
func freeKey(t *testing.T) sysv.Key {
	t.Helper()
	for key := sysv.Key(os.Getpid()) << 8; ; key++ {
		q, err := sysv.Open(key, &sysv.Config{OpenOnly: true})
		switch {
		case errors.Is(err, fs.ErrNotExist):
			t.Cleanup(func() {
				if q, err := sysv.Open(key, &sysv.Config{OpenOnly: true}); err == nil {
					q.Remove()
					q.Close()
				}
			})
			return key
		case err == nil:
			q.Close()
		}
	}
}

// child runs a role and, if it fails, fails the test with its output.
func child(t *testing.T, role string, args ...any) {
	t.Helper()
	text := make([]string, len(args))
	for i, a := range args {
		text[i] = fmt.Sprint(a)
	}
	if out, err := testutil.Command(t, role, text...).Output(); err != nil {
		t.Errorf("%s: %v: %s", role, err, out)
	}
}

// expect ends a child with a message unless ok.
func expect(ok bool, format string, args ...any) {
	if !ok {
		fmt.Printf(format+"\n", args...)
		os.Exit(1)
	}
}

// number returns an argument of a child.
func number(i int) int {
	n, err := strconv.ParseInt(os.Args[i], 10, 64)
	expect(err == nil, "%v", err)
	return int(n)
}

func TestOpenCreatesOrOpens(t *testing.T) {
	key := freeKey(t)
	first, err := sysv.Open(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, err := sysv.Open(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if !first.Created() || second.Created() || first.ID() != second.ID() {
		t.Errorf("created %v and %v, ids %d and %d", first.Created(), second.Created(), first.ID(), second.ID())
	}
	if want := fmt.Sprintf("key %v (id %d)", key, first.ID()); first.String() != want || second.String() != want {
		t.Errorf("%q, %q; want %q", first, second, want)
	}
	if err := first.Send(t.Context(), mq.Message{Type: 1, Data: []byte("to the other")}); err != nil {
		t.Fatal(err)
	}
	if m, err := second.Receive(t.Context()); err != nil || string(m.Data) != "to the other" {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestOpenExclusive(t *testing.T) {
	key := freeKey(t)
	q, err := sysv.Open(key, &sysv.Config{Exclusive: true})
	if err != nil || !q.Created() {
		t.Fatal(err)
	}
	defer q.Close()
	_, err = sysv.Open(key, &sysv.Config{Exclusive: true})
	if !errors.Is(err, fs.ErrExist) || !errors.Is(err, sys.EEXIST) || !strings.Contains(err.Error(), "Exclusive") {
		t.Errorf("got %v", err)
	}
}

func TestOpenOnly(t *testing.T) {
	key := freeKey(t)
	_, err := sysv.Open(key, &sysv.Config{OpenOnly: true})
	if !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, sys.ENOENT) || !strings.Contains(err.Error(), key.String()) {
		t.Errorf("got %v", err)
	}
	if _, err := sysv.Open(sysv.Private, &sysv.Config{OpenOnly: true}); !errors.Is(err, mq.ErrInvalidConfig) {
		t.Errorf("private: %v", err)
	}
}

func TestPrivateQueuesAreNewEachTime(t *testing.T) {
	a, b := newQueue(t, nil), newQueue(t, &sysv.Config{Exclusive: true})
	if a.ID() == b.ID() || !a.Created() || !b.Created() {
		t.Errorf("ids %d and %d", a.ID(), b.ID())
	}
	again, err := sysv.OpenID(a.ID(), nil)
	if err != nil || again.Created() {
		t.Fatal(err)
	}
	defer again.Close()
	if err := a.TrySend(mq.Message{Type: 3}); err != nil {
		t.Fatal(err)
	}
	if m, err := again.TryReceive(); err != nil || m.Type != 3 {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestOpenIDNamesTheKey(t *testing.T) {
	key := freeKey(t)
	q, err := sysv.Open(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	again, err := sysv.OpenID(q.ID(), &sysv.Config{OpenOnly: true})
	if err != nil || again.String() != q.String() {
		t.Fatalf("%v, %v", again, err)
	}
	again.Close()
	ids := []int{-1, math.MinInt32, math.MaxInt32, q.ID() + 1<<15}
	for _, upper := range []int64{1 << 31, 1 << 32, 5 << 32, 1 << 62, -1 << 32, math.MinInt64} {
		if id := int(upper + int64(q.ID())); id != q.ID() { // on 32-bit systems some are equal
			ids = append(ids, id)
		}
	}
	for _, id := range ids {
		if _, err := sysv.OpenID(id, nil); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("id %d: %v", id, err)
		}
	}
	for _, cfg := range []sysv.Config{{Mode: 0o600}, {Exclusive: true}, {Capacity: 1}} {
		if _, err := sysv.OpenID(q.ID(), &cfg); !errors.Is(err, mq.ErrInvalidConfig) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

func TestModesAreNotSubjectToTheUmask(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		testutil.Lacking(t, "sh")
	}
	testutil.NotEmulated(t, "the emulator has modes of 16 bits", "s390x")
	cmd := testutil.Command(t, "modes")
	cmd.Args = append([]string{"sh", "-c", `umask 0777 && exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = sh
	if out, err := cmd.Output(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func init() {
	roles["modes"] = func() {
		for mode, want := range map[fs.FileMode]fs.FileMode{0: 0o600, 0o666: 0o666, 0o644: 0o644, 0o400: 0o400, 0o002: 0o002} {
			q, err := sysv.Open(sysv.Private, &sysv.Config{Mode: mode})
			expect(err == nil, "mode %v: %v", mode, err)
			s, err := q.Stat()
			q.Remove()
			expect(err == nil && s.Mode == want, "asked for mode %#o, got %#o, %v", mode, s.Mode, err)
		}
	}
}

func TestBadConfigsAreRefused(t *testing.T) {
	key := freeKey(t)
	for _, test := range []struct {
		cfg  sysv.Config
		text string
	}{
		{sysv.Config{Access: 3}, "Access = 3"},
		{sysv.Config{Access: 255}, "Access = 255"},
		{sysv.Config{Mode: 0o700}, "Mode = -rwx------"},
		{sysv.Config{Mode: 0o1600}, "Mode"},
		{sysv.Config{Mode: fs.ModeDir | 0o600}, "Mode"},
		{sysv.Config{Exclusive: true, OpenOnly: true}, "Exclusive and OpenOnly"},
		{sysv.Config{Capacity: -1}, "Capacity = -1"},
		{sysv.Config{Capacity: math.MinInt}, "Capacity = -"},
		{sysv.Config{Capacity: 1, OpenOnly: true}, "Capacity = 1"},
		{sysv.Config{Truncate: -1}, "Truncate = -1"},
	} {
		q, err := sysv.Open(key, &test.cfg)
		if q != nil || !errors.Is(err, mq.ErrInvalidConfig) || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%+v: %v", test.cfg, err)
		}
	}
	if _, err := sysv.Open(key, &sysv.Config{OpenOnly: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a queue was created: %v", err)
	}
}

func TestAConfigIsCopied(t *testing.T) {
	cfg := sysv.Config{Owners: []int{os.Geteuid()}}
	newQueue(t, &cfg)
	if cfg.Mode != 0 || len(cfg.Owners) != 1 {
		t.Errorf("the caller's config became %+v", cfg)
	}
}

func TestAnIDOf0IsAQueue(t *testing.T) {
	testutil.NeedNamespace(t)
	testutil.NotEmulated(t, "the emulator does not support namespaces")
	cmd := testutil.Command(t, "id 0")
	cmd.SysProcAttr = sys.PrivateIPC()
	if out, err := cmd.Output(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func init() {
	roles["id 0"] = func() {
		q, err := sysv.Open(sysv.Private, nil)
		expect(err == nil, "%v", err)
		expect(q.ID() == 0, "the first queue of a namespace has the id %d", q.ID())
		again, err := sysv.OpenID(0, nil)
		expect(err == nil, "%v", err)
		expect(again.TrySend(mq.Message{Type: 1}) == nil, "cannot send")
		s, err := q.Stat()
		expect(err == nil && s.Messages == 1 && s.ID == 0, "%+v, %v", s, err)
		_, err = q.TryReceive()
		expect(err == nil, "%v", err)
		expect(q.Remove() == nil, "cannot remove")
	}
}

func TestTooManyQueuesIsExplained(t *testing.T) {
	testutil.NeedNamespace(t)
	newQueue(t, nil)
	usage, err := sysv.SystemUsage()
	if err != nil {
		t.Fatal(err)
	}
	setLimit(t, "msgmni", usage.Queues)
	_, err = sysv.Open(sysv.Private, nil)
	want := fmt.Sprintf("there are %d queues and kernel.msgmni = %[1]d (", usage.Queues)
	if !errors.Is(err, sys.ENOSPC) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "sysctl -w kernel.msgmni=") {
		t.Errorf("got %v", err)
	}
}

// setLimit changes a limit of this namespace until the test has ended.
func setLimit(t *testing.T, name string, value int) {
	t.Helper()
	testutil.NeedNamespace(t)
	path := "/proc/sys/kernel/" + name
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0); err != nil {
			t.Fatal(err)
		}
	}
	write(strconv.Itoa(value))
	t.Cleanup(func() { write(string(old)) })
}
