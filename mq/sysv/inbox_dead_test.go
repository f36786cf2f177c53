package sysv_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

func TestInboxesOfDeadProcessesAreRemoved(t *testing.T) {
	testutil.NotEmulated(t, "the emulator shows the process ids of queues wrongly")
	testutil.NeedNamespace(t)
	q := newQueue(t, nil)
	mine := newInbox(t, q)
	private := newQueue(t, nil) // of a dead process, but not an inbox
	send(t, private, 1)
	taker, _ := startWith(t, "take one", private)
	alive, aliveID := startWith(t, "inbox", q)
	var dead []int
	for range 3 {
		cmd, id := startWith(t, "inbox", q)
		dead = append(dead, id)
		cmd.Process.Kill()
		cmd.Wait()
	}
	slices.Sort(dead)
	taker.Process.Kill()
	taker.Wait()

	removed, err := sysv.RemoveDeadInboxes()
	slices.Sort(removed)
	if err != nil || !slices.Equal(removed, dead) {
		t.Errorf("removed %v, %v; want %v", removed, err, dead)
	}
	for _, kept := range []int{mine.ID(), aliveID, private.ID()} {
		if other, err := sysv.OpenID(kept, nil); err != nil {
			t.Errorf("queue %d is gone: %v", kept, err)
		} else {
			other.Close()
		}
	}
	if removed, err := sysv.RemoveDeadInboxes(); err != nil || len(removed) > 0 {
		t.Errorf("again, removed %v, %v", removed, err)
	}

	// Killed and not waited for, a process is a zombie.
	alive.Process.Kill()
	testutil.Await(t, func() error {
		removed, err := sysv.RemoveDeadInboxes()
		if err != nil || !slices.Equal(removed, []int{aliveID}) {
			return fmt.Errorf("removed %v, %v; want %d", removed, err, aliveID)
		}
		return nil
	})
	alive.Wait()
}

// privateQueue creates a queue like another program, with any mode.
func privateQueue(t *testing.T, mode int) *sysv.Queue {
	t.Helper()
	testutil.NotEmulated(t, "the emulator has modes of 16 bits", "s390x")
	id, errno := sys.Msgget(uint32(sysv.Private), sys.IPC_CREAT|sys.IPC_EXCL|mode)
	if errno != 0 {
		t.Fatal(errno)
	}
	q, err := sysv.OpenID(id, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		q.Remove()
		q.Close()
	})
	return q
}

// C programs give their private queues the mode 0777, or the decimal 777.
func TestPrivateQueuesOfOtherProgramsAreNotInboxes(t *testing.T) {
	q := newQueue(t, nil)
	for _, mode := range []int{0o777, 0o1777, 777, 0o711, 0o755, 0o700, 0o600, 0o610, 0o601, 0o651, 0o615, 0o666, 0o011, 0o211} {
		if mode&0o400 == 0 && os.Geteuid() != 0 {
			continue
		}
		other := privateQueue(t, mode)
		if _, err := q.OpenInbox(fmt.Sprintf("sysv:%d", other.ID())); !errors.Is(err, mq.ErrNotInbox) {
			t.Errorf("mode %#o: %v", mode, err)
		}
	}
	if removed, err := sysv.RemoveDeadInboxes(); err != nil || len(removed) > 0 {
		t.Errorf("removed %v, %v", removed, err)
	}
}

// Only an inbox whose record names a process that has certainly ended is
// removed.
func TestInboxesThatCannotBeJudgedStay(t *testing.T) {
	testutil.NotEmulated(t, "the emulator shows a process another start time of itself than others see")
	testutil.NeedNamespace(t)
	in := newInbox(t, newQueue(t, nil))
	mine, err := in.Peek(0)
	if err != nil {
		t.Fatal(err)
	}
	record := func(changes map[int]uint64) mq.Message {
		b := bytes.Clone(mine.Data)
		for field, value := range changes {
			binary.LittleEndian.PutUint64(b[8+8*field:], value)
		}
		return mq.Message{Type: 2, Data: b}
	}
	const pid, start, pidSpace, timeSpace = 0, 1, 2, 3
	ended := map[int]uint64{start: 1} // the process that has this pid now began later
	for _, c := range []struct {
		name     string
		messages []mq.Message
		removed  bool
	}{
		{"of this process", []mq.Message{record(nil)}, false},
		{"of one whose pid is used again", []mq.Message{record(ended)}, true},
		{"of one that has ended, with replies", []mq.Message{record(ended), {Type: 1}}, true},
		{"of one that is gone", []mq.Message{record(map[int]uint64{pid: 1 << 22})}, true},
		{"of another pid namespace", []mq.Message{record(map[int]uint64{start: 1, pidSpace: 1})}, false},
		{"of another time namespace", []mq.Message{record(map[int]uint64{start: 1, timeSpace: 1})}, false},
		{"of nobody", []mq.Message{record(map[int]uint64{pid: 0, start: 0, pidSpace: 0, timeSpace: 0})}, false},
		{"pid too large", []mq.Message{record(map[int]uint64{pid: 1 << 32, start: 1})}, false},
		{"a record behind another message", []mq.Message{{Type: 1}, record(ended)}, false},
		{"a record of another type", []mq.Message{{Type: 3, Data: record(ended).Data}}, false},
		{"a record that is cut", []mq.Message{{Type: 2, Data: record(ended).Data[:39]}}, false},
		{"no record", []mq.Message{{Type: 2, Data: []byte("something else of 40 bytes, with the type")}}, false},
		{"empty", nil, false},
	} {
		q := privateQueue(t, 0o611)
		for _, m := range c.messages {
			if err := q.TrySend(m); err != nil {
				t.Fatal(err)
			}
		}
		dead, unknown, err := sysv.DeadInboxes()
		known := c.removed || c.name == "of this process"
		if err != nil || slices.Contains(dead, q.ID()) != c.removed || slices.Contains(unknown, q.ID()) == known {
			t.Errorf("%s: dead %v, unknown %v, %v", c.name, dead, unknown, err)
		}
		removed, err := sysv.RemoveDeadInboxes()
		if err != nil || slices.Equal(removed, []int{q.ID()}) != c.removed || len(removed) > 1 {
			t.Errorf("%s: removed %v, %v", c.name, removed, err)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte("ipcq\x01\x06\x00\x00" + strings.Repeat("\x01\x00\x00\x00\x00\x00\x00\x00", 4)))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := sysv.ParseRecord(b)
		if err == nil && (len(b) != 40 || p.PID <= 0) {
			t.Errorf("%q is %+v", b, p)
		}
	})
}

// A server that replies gets an error if nobody will receive the reply.
func TestAnInboxWhoseProcessHasEndedCountsAsRemoved(t *testing.T) {
	testutil.NotEmulated(t, "the emulator shows the process ids of queues wrongly")
	testutil.NeedNamespace(t)
	q := newQueue(t, nil)
	cmd, id := startWith(t, "inbox", q)
	out, err := q.OpenInbox(fmt.Sprintf("sysv:%d", id))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := out.(mq.Checker).Check(); err != nil {
		t.Errorf("while it runs: %v", err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	if err := out.(mq.Checker).Check(); !errors.Is(err, mq.ErrRemoved) || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("after its end: %v", err)
	}
	if removed, err := sysv.RemoveDeadInboxes(); err != nil || len(removed) != 1 {
		t.Errorf("removed %v, %v", removed, err)
	}
	if err := out.(mq.Checker).Check(); !errors.Is(err, mq.ErrRemoved) || strings.Contains(err.Error(), "has ended") {
		t.Errorf("after its removal: %v", err)
	}
}

// Messages that are not replies are removed from an inbox; replies stay in
// order.
func TestTidyLeavesRepliesAndTheRecord(t *testing.T) {
	testutil.NotEmulated(t, "the emulator shows a process another start time of itself than others see")
	testutil.NeedNamespace(t)
	in := newInbox(t, newQueue(t, nil))
	tidy := func(want ...int64) {
		t.Helper()
		err := in.(interface{ Tidy() error }).Tidy()
		if full := len(want) > 1 && want[1] == 2; errors.Is(err, mq.ErrFull) != full || err != nil && !full {
			t.Fatal(err)
		}
		var got []int64
		for i := 0; ; i++ {
			m, err := in.Peek(i)
			if err != nil {
				break
			}
			got = append(got, m.Type)
		}
		if !slices.Equal(got, want) {
			t.Errorf("the inbox has the types %v, want %v", got, want)
		}
	}
	put := func(types ...int64) {
		t.Helper()
		send(t, in, types...)
	}
	tidy(2)
	put(3, 3, 4)
	tidy(2)
	put(3, 4, 1, 5, 1)
	tidy(2, 1, 5, 1) // the reply is received first
	if _, err := in.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	tidy(2, 1)
	if _, err := in.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(2, 3)
	tidy(2, 2, 3)
	if dead, unknown, err := sysv.DeadInboxes(); err != nil || len(dead)+len(unknown) > 0 {
		t.Errorf("dead %v, unknown %v, %v", dead, unknown, err)
	}
}
