package sysv_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

func TestInboxesHaveKeysOnRequest(t *testing.T) {
	q := newQueue(t, &sysv.Config{InboxKeys: true, InboxMode: 0o622})
	in, other := newInbox(t, q), newInbox(t, q)
	st, err := in.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if want := "sysvkey:" + st.Key.String(); in.Address() != want || st.Key == sysv.Private || int32(st.Key) < 0 || st.Mode != 0o633 || !st.IsInbox() || st.Messages != 1 {
		t.Errorf("address %q of %+v", in.Address(), st)
	}
	if in.Address() == other.Address() {
		t.Errorf("two inboxes at %q", in.Address())
	}
	for _, address := range []string{in.Address(), fmt.Sprint("sysv:", in.ID())} {
		out, err := newQueue(t, nil).OpenInbox(address)
		if err != nil {
			t.Fatal(err)
		}
		if err := out.TrySend(mq.Message{Type: 1, Data: []byte(address)}); err != nil {
			t.Error(err)
		}
		out.Close()
		if m, err := in.TryReceive(); err != nil || string(m.Data) != address {
			t.Errorf("got %q, %v", m.Data, err)
		}
	}
	if err := in.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := q.OpenInbox(in.Address()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Remove: %v", err)
	}
}

func TestOnlyInboxesAreOpenedByTheirKeys(t *testing.T) {
	q := newQueue(t, nil)
	in := newInbox(t, newQueue(t, &sysv.Config{InboxKeys: true}))
	digits := strings.TrimPrefix(in.Address(), "sysvkey:0x")
	keyed, err := sysv.Open(sysv.Key(0x1badb003), &sysv.Config{Exclusive: true, Mode: 0o622})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { keyed.Remove(); keyed.Close() }()
	for _, address := range []string{
		"sysvkey", "sysvkey:", "sysvkey:0x", "sysvkey:" + digits, "sysvkey:0X" + digits, "sysvkey:0x0" + digits, "sysvkey: 0x" + digits,
		"sysvkey:0x" + digits + " ", "sysvkey:0x" + digits + "\x00", "sysvkey:0x" + digits[:7], "sysvkey:0x2a", "sysvkey:42", "sysvkey:-1",
		"sysvkey:0x00000000", "sysvkey:private", "sysvkey:0x1BADB003", "sysvkey:0x1badb003", "sysv:0x" + digits, "SYSVKEY:0x" + digits,
		"sysvkey:0x0x" + digits[2:], "sysvkey:0x0x" + digits,
	} {
		if out, err := q.OpenInbox(address); out != nil || !errors.Is(err, mq.ErrNotInbox) {
			t.Errorf("%q: %v", address, err)
		}
	}
	if _, err := q.OpenInbox("sysvkey:0x1badb0ff"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such queue: %v", err)
	}
	if n := waiting(t, keyed); n != 0 {
		t.Errorf("another program's queue got %d messages", n)
	}
}

func TestKeyedInboxesOfKilledClientsAreRemoved(t *testing.T) {
	testutil.NotEmulated(t, "the emulator shows a process another start time of itself than others see")
	testutil.NeedNamespace(t)
	q := newQueue(t, nil)
	mine := newInbox(t, newQueue(t, &sysv.Config{InboxKeys: true}))
	cmd, id := startWith(t, "keyed inbox", q)
	if removed, err := sysv.RemoveDeadInboxes(); err != nil || len(removed) > 0 {
		t.Errorf("removed %v, %v, while the clients live", removed, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if removed, err := sysv.RemoveDeadInboxes(); err != nil || len(removed) != 1 || removed[0] != id {
		t.Errorf("removed %v, %v, not %d", removed, err, id)
	}
	if err := mine.Check(); err != nil {
		t.Error(err)
	}
}
