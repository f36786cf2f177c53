package sysv_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

func TestAQueueOfAnotherUserIsRefused(t *testing.T) {
	testutil.NeedRoot(t)
	for _, test := range []struct {
		mode     fs.FileMode
		access   mq.Access
		ok, byID bool // whether others may open it by its key, and by its id
	}{
		{0o600, mq.ReadWrite, false, false},
		{0o600, mq.ReadOnly, false, false},
		{0o604, mq.ReadOnly, true, true},
		{0o604, mq.WriteOnly, false, true}, // by id, the first send fails
		{0o604, mq.ReadWrite, false, true},
		{0o602, mq.WriteOnly, true, true},
		{0o602, mq.ReadOnly, false, false},
		{0o606, mq.ReadWrite, true, true},
	} {
		key := freeKey(t)
		q, err := sysv.Open(key, &sysv.Config{Mode: test.mode})
		if err != nil {
			t.Fatal(err)
		}
		child(t, "open as another user", uint32(key), q.ID(), uint8(test.access), test.ok, test.byID)
		q.Close()
	}
}

func init() {
	roles["open as another user"] = func() {
		key, id, access := sysv.Key(uint32(number(1))), number(2), mq.Access(number(3))
		cfg := &sysv.Config{Access: access}
		err := sys.Become(nobody)
		expect(err == nil, "%v", err)
		check := func(how, ok string, q *sysv.Queue, err error) {
			if ok == "false" {
				expect(errors.Is(err, fs.ErrPermission) && errors.Is(err, sys.EACCES), "%s, %v: %v", how, access, err)
				expect(strings.Contains(err.Error(), access.String()), "%s: %v", how, err)
				return
			}
			expect(err == nil, "%s, %v: %v", how, access, err)
			q.Close()
		}
		q, err := sysv.Open(key, cfg)
		check("by key", os.Args[4], q, err)
		q, err = sysv.OpenID(id, cfg)
		check("by id", os.Args[5], q, err)
	}
}

// Messages that others sent to a queue do not vanish because the call that
// created it fails: it fails before the queue exists.
func TestAnOpenThatFailsRemovesNoQueue(t *testing.T) {
	testutil.NeedRoot(t) // to become another user, who lacks CAP_SYS_RESOURCE
	setLimit(t, "msgmnb", 16384)
	key := freeKey(t)
	opener := testutil.Command(t, "open above the limit", fmt.Sprint(uint32(key)))
	out, err := opener.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := opener.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan string)
	go func() {
		said, _ := io.ReadAll(out)
		ended <- string(said)
	}()
	for found := 0; ; {
		select {
		case said := <-ended:
			if err := opener.Wait(); err != nil {
				t.Errorf("%v: %s", err, said)
			}
			if found > 0 {
				t.Errorf("%d times there was a queue although Open failed", found)
			}
			return
		default:
		}
		if q, err := sysv.Open(key, &sysv.Config{OpenOnly: true}); err == nil {
			found++
			q.Close()
		}
	}
}

func init() {
	roles["open above the limit"] = func() {
		key := sysv.Key(number(1))
		err := sys.Become(nobody)
		expect(err == nil, "%v", err)
		for range 5000 {
			_, err := sysv.Open(key, &sysv.Config{Capacity: 1 << 30})
			var e *mq.Error
			expect(errors.As(err, &e) && e.Op == "open" && errors.Is(err, fs.ErrPermission) && strings.Contains(err.Error(),
				"capacity of 1073741824 bytes exceeds kernel.msgmnb = 16384 (sysctl -w kernel.msgmnb=1073741824, or CAP_SYS_RESOURCE"), "%v", err)
		}
		q, err := sysv.Open(sysv.Private, &sysv.Config{Capacity: 16384})
		expect(err == nil, "as much as is allowed: %v", err)
		err = q.Remove()
		expect(err == nil, "%v", err)
	}
}

func TestOwnersProtectFromSquattedQueues(t *testing.T) {
	testutil.NeedRoot(t)
	key := freeKey(t)
	child(t, "squat", uint32(key))
	me := os.Geteuid()
	_, err := sysv.Open(key, &sysv.Config{Owners: []int{me}})
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "owner 65534") {
		t.Errorf("opened by key: %v", err)
	}
	q, err := sysv.Open(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if _, err := sysv.OpenID(q.ID(), &sysv.Config{Owners: []int{me}}); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("opened by id: %v", err)
	}
	if trusting, err := sysv.Open(key, &sysv.Config{Owners: []int{me, nobody}}); err != nil {
		t.Errorf("a trusted user's queue: %v", err)
	} else {
		trusting.Close()
	}
	// That user gives the queue away, but stays its creator.
	if err := q.Set(func(s *sysv.Settings) { s.UID = uint32(me) }); err != nil {
		t.Fatal(err)
	}
	if _, err := sysv.Open(key, &sysv.Config{Owners: []int{me}}); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "creator 65534") {
		t.Errorf("given away: %v", err)
	}
}

func init() {
	roles["squat"] = func() {
		err := sys.Become(nobody)
		expect(err == nil, "%v", err)
		_, err = sysv.Open(sysv.Key(uint32(number(1))), &sysv.Config{Mode: 0o666})
		expect(err == nil, "%v", err)
	}
}
