package sysv_test

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

func TestStatFillsEveryField(t *testing.T) {
	testutil.NotEmulated(t, "the emulator lays struct msqid64_ds out differently")
	key := freeKey(t)
	before := time.Now().Truncate(time.Second).Add(-time.Second) // the kernel's clock for this is up to a tick behind
	q, err := sysv.Open(key, &sysv.Config{Mode: 0o640})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	limits, err := sysv.SystemLimits()
	if err != nil {
		t.Fatal(err)
	}
	uid, gid, pid := uint32(os.Geteuid()), uint32(os.Getegid()), os.Getpid()
	first, err := q.Stat()
	if err != nil {
		t.Fatal(err)
	}
	want := sysv.Stat{ID: q.ID(), Key: key, Seq: first.Seq, Mode: 0o640, UID: uid, GID: gid, CUID: uid, CGID: gid,
		Capacity: int64(limits.DefaultCapacity), Changed: first.Changed}
	if first != want {
		t.Errorf("new queue:\ngot  %+v\nwant %+v", first, want)
	}
	if first.Seq != uint32(q.ID()>>15) && first.Seq != uint32(q.ID()>>24) { // after booting with ipcmni_extend
		t.Errorf("id %#x, sequence number %#x", q.ID(), first.Seq)
	}
	now := func(at time.Time) bool { return !at.Before(before) && !at.After(time.Now()) }
	if !now(first.Changed) || !first.LastSend.IsZero() || !first.LastReceive.IsZero() {
		t.Errorf("times of a new queue: %+v", first)
	}
	send(t, q, 1, 22, 333)
	sent, err := q.Stat()
	if err != nil || sent.Messages != 3 || sent.Bytes != 6 || sent.LastSender != pid || sent.LastReceiver != 0 ||
		!now(sent.LastSend) || !sent.LastReceive.IsZero() {
		t.Errorf("after sending: %+v, %v", sent, err)
	}
	if _, err := q.TryReceive(); err != nil {
		t.Fatal(err)
	}
	received, err := q.Stat()
	if err != nil || received.Messages != 2 || received.Bytes != 5 || received.LastReceiver != pid || !now(received.LastReceive) {
		t.Errorf("after receiving: %+v, %v", received, err)
	}
	cmd := testutil.Command(t, "send one", strconv.Itoa(q.ID()), "1")
	if out, err := cmd.Output(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if s, err := q.Stat(); err != nil || s.LastSender != cmd.ProcessState.Pid() || s.LastReceiver != pid {
		t.Errorf("another process, %d, has sent: %+v, %v", cmd.ProcessState.Pid(), s, err)
	}
}

func TestSetChangesTheGivenSettings(t *testing.T) {
	testutil.NotEmulated(t, "the emulator has modes of 16 bits", "s390x")
	q := newQueue(t, nil)
	before, err := q.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Set(func(s *sysv.Settings) {
		want := sysv.Settings{Mode: 0o600, UID: before.UID, GID: before.GID, Capacity: before.Capacity}
		if *s != want {
			t.Errorf("settings now %+v, want %+v", *s, want)
		}
		s.Mode, s.Capacity = 0o664, 1000
	}); err != nil {
		t.Fatal(err)
	}
	after, err := q.Stat()
	if err != nil || after.Mode != 0o664 || after.Capacity != 1000 || after.UID != before.UID || after.GID != before.GID {
		t.Errorf("got %+v, %v", after, err)
	}
	send(t, q, 1, 2, 3)
	if err := q.Set(func(s *sysv.Settings) { s.Capacity = 1 }); err != nil {
		t.Errorf("less than what is in the queue: %v", err)
	}
	if n := waiting(t, q); n != 3 {
		t.Errorf("%d messages left", n)
	}
	if err := q.TrySend(mq.Message{Type: 1, Data: []byte("4")}); !errors.Is(err, mq.ErrFull) {
		t.Errorf("got %v", err)
	}
}

func TestSetChangesTheOwner(t *testing.T) {
	testutil.NeedRoot(t)
	testutil.NotEmulated(t, "the emulator has modes of 16 bits", "s390x")
	q := newQueue(t, nil)
	if err := q.Set(func(s *sysv.Settings) { s.UID, s.GID = nobody, nobody }); err != nil {
		t.Fatal(err)
	}
	s, err := q.Stat()
	if err != nil || s.UID != nobody || s.GID != nobody || s.CUID != uint32(os.Geteuid()) {
		t.Errorf("got %+v, %v", s, err)
	}
	child(t, "open as its owner", q.ID())
}

// C programs create queues with mode 0777 and others.
func TestSetLeavesBitsThatMeanNothing(t *testing.T) {
	testutil.NotEmulated(t, "the emulator has modes of 16 bits", "s390x")
	for _, mode := range []int{0o777, 0o711, 0o1755} {
		id, errno := sys.Msgget(uint32(sysv.Private), sys.IPC_CREAT|sys.IPC_EXCL|mode)
		if errno != 0 {
			t.Fatal(errno)
		}
		q, err := sysv.OpenID(id, &sysv.Config{Access: mq.ReadOnly})
		if err != nil {
			t.Fatal(err)
		}
		defer q.Remove()
		before, errno := sys.MsgStat(id)
		if errno != 0 {
			t.Fatal(errno)
		}
		if err := q.Set(func(s *sysv.Settings) {
			if s.Mode != fs.FileMode(mode&0o666) {
				t.Errorf("%#o: Settings.Mode = %v", mode, s.Mode)
			}
			s.Capacity = 1000
		}); err != nil {
			t.Errorf("%#o: %v", mode, err)
		}
		after, errno := sys.MsgStat(id)
		if errno != 0 || after.Mode != before.Mode || after.Qbytes != 1000 {
			t.Errorf("%#o: %+v, was %+v", mode, after, before)
		}
		if err := q.Set(func(s *sysv.Settings) { s.Mode = 0o600 }); err != nil {
			t.Errorf("%#o: %v", mode, err)
		}
		if after, _ := sys.MsgStat(id); after.Mode != before.Mode&^0o666|0o600 {
			t.Errorf("%#o: mode %#o after Set to 0600", mode, after.Mode)
		}
	}
}

func TestInvalidSettingsAreRefused(t *testing.T) {
	q := newQueue(t, nil)
	before, err := q.Stat()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		change func(*sysv.Settings)
		text   string
	}{
		{"capacity 0", func(s *sysv.Settings) { s.Capacity = 0 }, "Capacity = 0: nothing could ever be sent"},
		{"negative capacity", func(s *sysv.Settings) { s.Capacity = -1 }, "Capacity = -1"},
		{"capacity of 32 bits", func(s *sysv.Settings) { s.Capacity = math.MaxInt32 + 1 }, "Capacity = 2147483648"},
		{"capacity whose upper bits would be lost", func(s *sysv.Settings) { s.Capacity = 1<<32 + 100 }, "Capacity = 4294967396"},
		{"execute bits", func(s *sysv.Settings) { s.Mode = 0o700 }, "Mode = -rwx------"},
		{"bits of files", func(s *sysv.Settings) { s.Mode |= fs.ModeSticky }, "Mode = "},
		{"no user", func(s *sysv.Settings) { s.UID = math.MaxUint32 }, "owner 4294967295:"},
		{"no group", func(s *sysv.Settings) { s.GID = math.MaxUint32 }, ":4294967295 does not exist"},
	} {
		err := q.Set(test.change)
		if !errors.Is(err, mq.ErrInvalidConfig) || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	if after, err := q.Stat(); err != nil || after != before {
		t.Errorf("changed anyway: %+v, %v", after, err)
	}
}

func TestSetAboveTheLimitIsExplained(t *testing.T) {
	testutil.NeedRoot(t) // to become another user, who lacks CAP_SYS_RESOURCE
	testutil.NotEmulated(t, "the emulator has modes of 16 bits", "s390x")
	setLimit(t, "msgmnb", 16384)
	q := newQueue(t, nil)
	if err := q.Set(func(s *sysv.Settings) { s.UID = nobody }); err != nil {
		t.Fatal(err)
	}
	child(t, "set above the limit", q.ID())
	setLimit(t, "msgmnb", 8000)
	child(t, "set after the limit was lowered", q.ID())
}

func init() {
	roles["open as its owner"] = func() {
		err := sys.Become(nobody)
		expect(err == nil, "%v", err)
		q, err := sysv.OpenID(number(1), nil)
		expect(err == nil, "%v", err)
		expect(q.TrySend(mq.Message{Type: 1}) == nil && q.Remove() == nil, "no rights")
	}
	roles["set above the limit"] = func() {
		err := sys.Become(nobody)
		expect(err == nil, "%v", err)
		q, err := sysv.OpenID(number(1), nil)
		expect(err == nil, "%v", err)
		explained := func(err error) {
			expect(errors.Is(err, fs.ErrPermission) && errors.Is(err, sys.EPERM) && strings.Contains(err.Error(),
				"capacity of 20000 bytes exceeds kernel.msgmnb = 16384 (sysctl -w kernel.msgmnb=32768, or CAP_SYS_RESOURCE"), "%v", err)
		}
		explained(q.Set(func(s *sysv.Settings) { s.Capacity = 20000 }))
		_, err = sysv.Open(sysv.Private, &sysv.Config{Capacity: 20000})
		explained(err)
		for s, err := range sysv.Queues() {
			expect(err == nil && s.CUID != nobody, "a queue was created: %+v, %v", s, err)
		}
		err = q.Set(func(s *sysv.Settings) { s.Capacity = 16384 })
		expect(err == nil, "%v", err)
	}
	roles["set after the limit was lowered"] = func() {
		err := sys.Become(nobody)
		expect(err == nil, "%v", err)
		q, err := sysv.OpenID(number(1), nil)
		expect(err == nil, "%v", err)
		err = q.Set(func(s *sysv.Settings) { s.Mode = 0o644 })
		expect(errors.Is(err, fs.ErrPermission) && strings.Contains(err.Error(),
			"16384 bytes, is above kernel.msgmnb = 8000, which was lowered: set Capacity to 8000 as well"), "mode alone: %v", err)
		err = q.Set(func(s *sysv.Settings) { s.Mode, s.Capacity = 0o644, 8000 })
		expect(err == nil, "with the capacity: %v", err)
	}
	roles["send one"] = func() {
		q, err := sysv.OpenID(number(1), nil)
		expect(err == nil, "%v", err)
		err = q.Send(context.Background(), mq.Message{Type: int64(number(2))})
		expect(err == nil, "%v", err)
	}
}

func TestQueuesListsAllOfThem(t *testing.T) {
	testutil.NeedNamespace(t)
	key := freeKey(t)
	keyed, err := sysv.Open(key, &sysv.Config{Capacity: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer keyed.Close()
	queues := []*sysv.Queue{newQueue(t, nil), keyed, newQueue(t, nil)}
	send(t, keyed, 1, 2)
	list := func() map[int]sysv.Stat {
		found := map[int]sysv.Stat{}
		for s, err := range sysv.Queues() {
			if err != nil {
				t.Fatal(err)
			}
			found[s.ID] = s
		}
		return found
	}
	found := list()
	if len(found) != len(queues) {
		t.Errorf("%d queues instead of %d", len(found), len(queues))
	}
	for _, q := range queues {
		if want, err := q.Stat(); err != nil || found[q.ID()] != want {
			t.Errorf("%v:\ngot  %+v\nwant %+v, %v", q, found[q.ID()], want, err)
		}
	}
	for range sysv.Queues() {
		break // leaves nothing open: the next call lists all again
	}
	if err := keyed.Remove(); err != nil {
		t.Fatal(err)
	}
	if found := list(); len(found) != len(queues)-1 || found[keyed.ID()] != (sysv.Stat{}) {
		t.Errorf("after removing one: %+v", found)
	}
}

func TestQueuesListsThoseOfOthers(t *testing.T) {
	testutil.NeedRoot(t)
	testutil.NotEmulated(t, "the emulator does not know MSG_STAT_ANY")
	q := newQueue(t, &sysv.Config{Capacity: 1234})
	send(t, q, 1)
	child(t, "list", q.ID())
}

func init() {
	roles["list"] = func() {
		err := sys.Become(nobody)
		expect(err == nil, "%v", err)
		found := false
		for s, err := range sysv.Queues() {
			expect(err == nil, "%v", err)
			if s.ID == number(1) {
				found = true
				expect(s.Messages == 1 && s.Bytes == 1 && s.Capacity == 1234 && s.Mode == 0o600 && s.UID == 0, "%+v", s)
			}
		}
		expect(found, "the queue is not in the list")
		_, err = sysv.OpenID(number(1), nil)
		expect(errors.Is(err, fs.ErrPermission), "%v", err)
	}
}

func TestQueuesWithoutProcSaysSo(t *testing.T) {
	pairs := 0
	for s, err := range sysv.QueuesIn(fstest.MapFS{}) {
		pairs++
		if !errors.Is(err, fs.ErrNotExist) || s != (sysv.Stat{}) || !strings.HasPrefix(err.Error(), "mq: list queues: ") {
			t.Errorf("%+v, %v", s, err)
		}
	}
	if pairs != 1 {
		t.Errorf("%d pairs", pairs)
	}
}

func TestLimitsAndUsageAreReadWhenAsked(t *testing.T) {
	testutil.NeedNamespace(t)
	before, err := sysv.SystemUsage()
	if err != nil {
		t.Fatal(err)
	}
	q := newQueue(t, nil)
	send(t, q, 1, 22, 333)
	after, err := sysv.SystemUsage()
	if err != nil || after.Queues != before.Queues+1 || after.Messages != before.Messages+3 || after.Bytes != before.Bytes+6 ||
		after.MaxIndex < q.ID()&(1<<15-1) {
		t.Errorf("before %+v, after %+v, %v", before, after, err)
	}
	setLimit(t, "msgmax", 5000)
	setLimit(t, "msgmnb", 6000)
	setLimit(t, "msgmni", 700)
	limits, err := sysv.SystemLimits()
	if err != nil || limits.MaxMessage != 5000 || limits.DefaultCapacity != 6000 || limits.MaxQueues != 700 {
		t.Errorf("%+v, %v", limits, err)
	}
	c := newQueue(t, nil).Capabilities()
	if c.MaxPayload != 5000 || c.MaxType != sys.MaxType || c.MaxPriority != 0 || len(c.Selectors) != 4 || !c.SeesRemoval {
		t.Errorf("%+v", c)
	}
	if c := newQueue(t, &sysv.Config{Capacity: 100}).Capabilities(); c.MaxPayload != 100 {
		t.Errorf("%+v", c)
	}
}
