package sysv_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

func TestReceiversGrowWithTheLimit(t *testing.T) {
	setLimit(t, "msgmax", 8192)
	early := newQueue(t, nil) // opened under the old limit
	asleep := newQueue(t, nil)
	setLimit(t, "msgmnb", 1<<20)
	setLimit(t, "msgmax", 300_000)
	big := bytes.Repeat([]byte("big "), 75_000)
	for _, q := range []*sysv.Queue{early, asleep} {
		if err := q.Set(func(s *sysv.Settings) { s.Capacity = 1 << 20 }); err != nil {
			t.Fatal(err)
		}
	}
	for _, way := range ways {
		r, err := sysv.OpenID(early.ID(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{8193, 65536, 65537, len(big), 10} {
			if err := early.Send(t.Context(), mq.Message{Type: 1, Data: big[:n]}); err != nil {
				t.Fatal(err)
			}
			if m, err := r.Peek(0); !errors.Is(err, errors.ErrUnsupported) && (err != nil || !bytes.Equal(m.Data, big[:n])) {
				t.Errorf("Peek: %d of %d bytes, %v", len(m.Data), n, err)
			}
			if m, err := way.receive(t.Context(), r); err != nil || !bytes.Equal(m.Data, big[:n]) {
				t.Errorf("%s: %d of %d bytes, %v", way.name, len(m.Data), n, err)
			}
		}
		r.Close()
	}
	got := make(chan mq.Message)
	go func() {
		m, err := asleep.Receive(t.Context())
		if err != nil {
			t.Error(err)
		}
		got <- m
	}()
	awaitReceivers(t, os.Getpid(), 1)
	if err := asleep.Send(t.Context(), mq.Message{Type: 1, Data: big}); err != nil {
		t.Fatal(err)
	}
	if m := <-got; !bytes.Equal(m.Data, big) {
		t.Errorf("a sleeping receiver got %d of %d bytes", len(m.Data), len(big))
	}
}

func TestMessagesAboveALoweredLimitAreReceived(t *testing.T) {
	setLimit(t, "msgmnb", 1<<20)
	setLimit(t, "msgmax", 200_000)
	q := newQueue(t, nil)
	data := bytes.Repeat([]byte("x"), 200_000)
	for _, way := range ways {
		setLimit(t, "msgmax", 200_000)
		if err := q.Send(t.Context(), mq.Message{Type: 1, Data: data}); err != nil {
			t.Fatal(err)
		}
		setLimit(t, "msgmax", 100)
		today, err := sysv.OpenID(q.ID(), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = today.Peek(0)
		if !errors.Is(err, errors.ErrUnsupported) && (!errors.Is(err, mq.ErrTooLarge) || !strings.Contains(err.Error(), "kernel.msgmax")) {
			t.Errorf("Peek: %v", err)
		}
		if m, err := way.receive(t.Context(), today); err != nil || !bytes.Equal(m.Data, data) {
			t.Errorf("%s: %d bytes, %v", way.name, len(m.Data), err)
		}
		today.Close()
	}
}

func TestOversizeIsRefusedAtOnce(t *testing.T) {
	setLimit(t, "msgmax", 8192)
	q := newQueue(t, nil)
	small := newQueue(t, &sysv.Config{Capacity: 100})
	for _, test := range []struct {
		q    *sysv.Queue
		n    int
		text string
	}{
		{q, 8193, "message of 8193 bytes exceeds kernel.msgmax = 8192 (sysctl -w kernel.msgmax=16384)"},
		{q, 1 << 20, "message of 1048576 bytes exceeds kernel.msgmax = 8192 (sysctl -w kernel.msgmax=1048576)"},
		{small, 101, "message of 101 bytes exceeds the capacity of the queue, msg_qbytes = 100"},
		{small, 8193, "kernel.msgmax = 8192"},
	} {
		m := mq.Message{Type: 1, Data: make([]byte, test.n)}
		for _, err := range []error{test.q.Send(context.Background(), m), test.q.TrySend(m)} {
			if !errors.Is(err, mq.ErrTooLarge) || !strings.Contains(err.Error(), test.text) || errors.Is(err, mq.ErrRemoved) {
				t.Errorf("%d bytes: %v", test.n, err)
			}
		}
		if n := waiting(t, test.q); n != 0 {
			t.Errorf("%d messages in the queue", n)
		}
	}
	if err := small.Send(t.Context(), mq.Message{Type: 1, Data: make([]byte, 100)}); err != nil {
		t.Errorf("as much as the queue holds: %v", err)
	}
	if err := small.Send(context.Background(), mq.Message{Type: 1, Data: make([]byte, 101)}); !errors.Is(err, mq.ErrTooLarge) {
		t.Errorf("too large for a queue that is full: %v", err)
	}
}

func TestOversizeIsExplainedToAWriteOnlyUser(t *testing.T) {
	testutil.NeedRoot(t)
	testutil.NotEmulated(t, "the emulator does not know MSG_STAT_ANY, which shows this user the capacity")
	q := newQueue(t, &sysv.Config{Mode: 0o602, Capacity: 100})
	child(t, "write only", q.ID())
	if got := drain(t, q); !slices.Equal(got, []int64{1}) {
		t.Errorf("got %v", got)
	}
}

func init() {
	roles["write only"] = func() {
		err := sys.Become(nobody)
		expect(err == nil, "%v", err)
		q, err := sysv.OpenID(number(1), &sysv.Config{Access: mq.WriteOnly})
		expect(err == nil, "%v", err)
		for n, text := range map[int]string{101: "msg_qbytes = 100", 1 << 20: "kernel.msgmax"} {
			for _, err := range []error{
				q.TrySend(mq.Message{Type: 1, Data: make([]byte, n)}),
				q.Send(context.Background(), mq.Message{Type: 1, Data: make([]byte, n)}),
			} {
				expect(errors.Is(err, mq.ErrTooLarge) && strings.Contains(err.Error(), text), "%d bytes: %v", n, err)
			}
		}
		err = q.Send(context.Background(), mq.Message{Type: 1, Data: make([]byte, 100)})
		expect(err == nil, "%v", err)
		err = q.Set(func(s *sysv.Settings) { s.Capacity = 50 })
		expect(errors.Is(err, fs.ErrPermission) && strings.Contains(err.Error(), "owner"), "set: %v", err)
		err = q.Remove()
		expect(errors.Is(err, fs.ErrPermission) && strings.Contains(err.Error(), "owner"), "remove: %v", err)
	}
}
