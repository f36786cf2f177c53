package posix_test

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"testing"
	"time"

	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/posix"
)

func TestStatAgreesWithTheListing(t *testing.T) {
	testutil.NeedMqueue(t)
	q := newQueue(t, nil)
	if err := q.TrySend(mq.Message{Data: []byte("hello")}); err != nil {
		t.Fatal(err)
	}
	want, ok := listed(t, q.Name())
	got, err := q.Stat()
	if !ok || err != nil || got != want || got.Bytes != 5 {
		t.Errorf("got %+v, %v; listed %+v", got, err, want)
	}
	// Also without a name, and without permission to read.
	writes := open(t, q.Name(), &posix.Config{Access: mq.WriteOnly})
	if err := q.Unlink(); err != nil {
		t.Fatal(err)
	}
	if got, err = q.Stat(); err != nil || got != want {
		t.Errorf("unlinked: %+v, %v", got, err)
	}
	want.Bytes = -1
	if got, err = writes.Stat(); err != nil || got != want {
		t.Errorf("write-only: %+v, %v", got, err)
	}
	q.Close()
	_, err = q.Stat()
	wants(t, err, mq.ErrClosed)
}

func TestSetChangesModeAndOwner(t *testing.T) {
	testutil.NeedRoot(t)
	q := newQueue(t, nil)
	for _, want := range []posix.Settings{{0o640, 0, 0}, {0o622, 7, 8}, {0, 7, 9}, {0o600, math.MaxUint32 - 1, 9}} {
		err := q.Set(func(s *posix.Settings) { *s = want })
		if s, e := q.Stat(); err != nil || e != nil || (posix.Settings{Mode: s.Mode, UID: s.UID, GID: s.GID}) != want {
			t.Errorf("%+v, %v, %v; want %+v", s, err, e, want)
		}
	}
	// Other bits stay, execute bits too, though Set does not show them.
	if err := os.Chmod(testutil.NeedMqueue(t)+q.Name(), 0o751); err != nil {
		t.Fatal(err)
	}
	err := q.Set(func(s *posix.Settings) {
		if s.Mode != 0o640 {
			t.Errorf("mode %o", s.Mode)
		}
		s.Mode = 0o600
	})
	if s, e := q.Stat(); err != nil || e != nil || s.Mode != 0o711 {
		t.Errorf("%+v, %v, %v", s, err, e)
	}
	for _, bad := range []posix.Settings{{0o700, 0, 0}, {fs.ModeDir, 0, 0}, {0o600, math.MaxUint32, 0}, {0o600, 0, math.MaxUint32}} {
		wants(t, q.Set(func(s *posix.Settings) { *s = bad }), mq.ErrInvalidConfig)
	}
	q.Close()
	wants(t, q.Set(func(*posix.Settings) { t.Error("called") }), mq.ErrClosed)
}

func init() { roles["sets"] = sets }

// sets changes a queue of its user, and one of another.
func sets() {
	if err := sys.Become(nobody()); err != nil {
		fail("become: %v", err)
	}
	other, err := posix.Open(os.Args[1], &posix.Config{OpenOnly: true})
	if err != nil {
		fail("%v", err)
	}
	if err := other.Set(func(s *posix.Settings) { s.Mode = 0o600 }); !errors.Is(err, fs.ErrPermission) {
		fail("another's: %v", err)
	}
	if err := other.Set(func(*posix.Settings) {}); err != nil {
		fail("nothing: %v", err)
	}
	own, err := posix.Open(os.Args[1]+"-own", &posix.Config{Exclusive: true})
	if err != nil {
		fail("%v", err)
	}
	defer own.Unlink()
	before, _ := own.Stat()
	err = own.Set(func(s *posix.Settings) { s.Mode, s.UID = 0o666, 0 }) // it may do only one of the two
	after, _ := own.Stat()
	before.Changed, after.Changed = time.Time{}, time.Time{}
	if !errors.Is(err, fs.ErrPermission) || after != before {
		fail("giving away: %v; %+v before, %+v after", err, before, after)
	}
	if err := own.Set(func(s *posix.Settings) { s.Mode = 0o622 }); err != nil {
		fail("own: %v", err)
	}
}

func TestSetDoesAllOrNothing(t *testing.T) {
	testutil.NeedRoot(t)
	q := newQueue(t, nil)
	if err := q.Set(func(s *posix.Settings) { s.Mode = 0o666 }); err != nil {
		t.Fatal(err)
	}
	child(t, "sets", q.Name())
}
