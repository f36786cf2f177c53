package sysv_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

// everyMethod calls each method of q that can fail and returns the errors by
// name. Close and Remove are not among them.
func everyMethod(ctx context.Context, q *sysv.Queue) map[string]error {
	errs := map[string]error{
		"Send":    q.Send(ctx, mq.Message{Type: 1}),
		"TrySend": q.TrySend(mq.Message{Type: 1}),
		"Set":     q.Set(func(*sysv.Settings) {}),
	}
	_, errs["Stat"] = q.Stat()
	_, errs["Peek"] = q.Peek(0)
	for _, s := range []mq.Selector{mq.Any(), mq.Type(1), mq.UpTo(1), mq.Except(1)} {
		r, err := q.Select(s)
		if err != nil {
			errs["Select"] = err
			continue
		}
		for _, way := range ways {
			_, errs[way.name+" "+s.String()] = way.receive(ctx, r)
		}
	}
	return errs
}

func TestRemovalEndsBlockedAndLaterCalls(t *testing.T) {
	full, empty := newQueue(t, &sysv.Config{Capacity: 1}), newQueue(t, nil)
	send(t, full, 1)
	const n = 3
	sent, received := make(chan error), make(chan error)
	for range n {
		go func() { sent <- full.Send(t.Context(), mq.Message{Type: 1, Data: []byte("x")}) }()
		go func() { _, err := empty.Receive(t.Context()); received <- err }()
	}
	awaitWaiting(t, full, n)
	awaitWaiting(t, empty, n)
	awaitSenders(t, os.Getpid(), 1)
	awaitReceivers(t, os.Getpid(), 1)
	for _, test := range []struct {
		q    *sysv.Queue
		errs chan error
	}{{full, sent}, {empty, received}} {
		if err := test.q.Remove(); err != nil {
			t.Fatal(err)
		}
		for range n {
			err := <-test.errs // EINVAL for those that waited for their turn to sleep
			if !errors.Is(err, mq.ErrRemoved) || !errors.Is(err, sys.EIDRM) && !errors.Is(err, sys.EINVAL) {
				t.Errorf("a blocked call: %v", err)
			}
		}
		for name, err := range everyMethod(t.Context(), test.q) {
			if !errors.Is(err, mq.ErrRemoved) || !errors.Is(err, sys.EINVAL) || !strings.Contains(err.Error(), test.q.String()) {
				t.Errorf("a later %s: %v", name, err)
			}
		}
		if err := test.q.Remove(); !errors.Is(err, mq.ErrRemoved) {
			t.Errorf("removed again: %v", err)
		}
		if _, err := sysv.OpenID(test.q.ID(), nil); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("opened by its stale id: %v", err)
		}
		if c := test.q.Capabilities(); c.MaxPayload < 1 {
			t.Errorf("%+v", c)
		}
	}
}

func TestRemovalByAnotherProcessIsSeen(t *testing.T) {
	q := newQueue(t, nil)
	errs := make(chan error)
	go func() { _, err := q.Receive(t.Context()); errs <- err }()
	awaitReceivers(t, os.Getpid(), 1)
	child(t, "remove", q.ID())
	if err := <-errs; !errors.Is(err, mq.ErrRemoved) {
		t.Errorf("got %v", err)
	}
}

func TestANewQueueUnderTheKeyIsNotTheOldOne(t *testing.T) {
	key := freeKey(t)
	old, err := sysv.Open(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if err := old.Remove(); err != nil {
		t.Fatal(err)
	}
	again, err := sysv.Open(key, nil)
	if err != nil || !again.Created() {
		t.Fatal(err)
	}
	defer again.Close()
	if err := old.TrySend(mq.Message{Type: 1}); !errors.Is(err, mq.ErrRemoved) {
		t.Errorf("got %v", err)
	}
	if n := waiting(t, again); n != 0 {
		t.Errorf("%d messages in the new queue", n)
	}
}

func TestAReceiverKilledWhileBlockedTakesNothing(t *testing.T) {
	q := newQueue(t, nil)
	cmd := testutil.Command(t, "receive", strconv.Itoa(q.ID()))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaitReceivers(t, cmd.Process.Pid, 1)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if err := q.Send(t.Context(), mq.Message{Type: 5, Data: []byte("for the next")}); err != nil {
		t.Fatal(err)
	}
	if m, err := q.TryReceive(); err != nil || m.Type != 5 || string(m.Data) != "for the next" {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestASenderKilledWhileBlockedSendsNothing(t *testing.T) {
	q := newQueue(t, &sysv.Config{Capacity: 2})
	send(t, q, 1, 2)
	cmd := testutil.Command(t, "send five", strconv.Itoa(q.ID()))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaitSenders(t, cmd.Process.Pid, 1)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if got := drain(t, q); !slices.Equal(got, []int64{1, 2}) {
		t.Errorf("in the queue: %v", got)
	}
	send(t, q, 3)
	if s, err := q.Stat(); err != nil || s.Messages != 1 || s.Bytes != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}

func init() {
	roles["receive"] = func() {
		q, err := sysv.OpenID(number(1), nil)
		expect(err == nil, "%v", err)
		m, err := q.Receive(context.Background())
		expect(false, "got %+v, %v", m, err)
	}
	roles["send five"] = func() {
		q, err := sysv.OpenID(number(1), nil)
		expect(err == nil, "%v", err)
		err = q.Send(context.Background(), mq.Message{Type: 5, Data: []byte("5")})
		expect(false, "sent: %v", err)
	}
	roles["remove"] = func() {
		q, err := sysv.OpenID(number(1), nil)
		expect(err == nil, "%v", err)
		err = q.Remove()
		expect(err == nil, "%v", err)
	}
}

func TestLimitsLoweredWhileInUse(t *testing.T) {
	t.Run("the next large message is refused", func(t *testing.T) {
		setLimit(t, "msgmax", 8192)
		q := newQueue(t, nil)
		m := mq.Message{Type: 1, Data: make([]byte, 5000)}
		if err := q.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		setLimit(t, "msgmax", 4000)
		if err := q.Send(t.Context(), m); !errors.Is(err, mq.ErrTooLarge) || !strings.Contains(err.Error(), "kernel.msgmax = 4000") {
			t.Errorf("got %v", err)
		}
		if got, err := q.Receive(t.Context()); err != nil || len(got.Data) != 5000 {
			t.Errorf("%d bytes, %v", len(got.Data), err)
		}
	})
	t.Run("a queue keeps its capacity", func(t *testing.T) {
		setLimit(t, "msgmnb", 16384)
		q := newQueue(t, nil)
		setLimit(t, "msgmnb", 100)
		if err := q.Send(t.Context(), mq.Message{Type: 1, Data: make([]byte, 5000)}); err != nil {
			t.Error(err)
		}
		if s, err := newQueue(t, nil).Stat(); err != nil || s.Capacity != 100 {
			t.Errorf("a new one: %+v, %v", s, err)
		}
	})
	t.Run("Set ends sends that can never be done", func(t *testing.T) {
		q := newQueue(t, &sysv.Config{Capacity: 100})
		if err := q.TrySend(mq.Message{Type: 1, Data: make([]byte, 100)}); err != nil {
			t.Fatal(err)
		}
		large, small := make(chan error), make(chan error)
		go func() { large <- q.Send(t.Context(), mq.Message{Type: 2, Data: make([]byte, 51)}) }()
		go func() { small <- q.Send(t.Context(), mq.Message{Type: 3, Data: make([]byte, 50)}) }()
		awaitWaiting(t, q, 2)
		if err := q.Set(func(s *sysv.Settings) { s.Capacity = 50 }); err != nil {
			t.Fatal(err)
		}
		if err := <-large; !errors.Is(err, mq.ErrTooLarge) || !strings.Contains(err.Error(), "msg_qbytes = 50") {
			t.Errorf("got %v", err)
		}
		if got := drainOne(t, q); got != 1 {
			t.Errorf("got type %d", got)
		}
		if err := <-small; err != nil {
			t.Errorf("the one that fits: %v", err)
		}
		if got := drain(t, q); !slices.Equal(got, []int64{3}) {
			t.Errorf("got %v", got)
		}
	})
	t.Run("Set by another handle leaves them to their context", func(t *testing.T) {
		q := newQueue(t, &sysv.Config{Capacity: 100})
		other, err := sysv.OpenID(q.ID(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		if err := q.TrySend(mq.Message{Type: 1, Data: make([]byte, 100)}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- q.Send(ctx, mq.Message{Type: 2, Data: make([]byte, 51)}) }()
		awaitSenders(t, os.Getpid(), 1)
		if err := other.Set(func(s *sysv.Settings) { s.Capacity = 50 }); err != nil {
			t.Fatal(err)
		}
		awaitSenders(t, os.Getpid(), 1)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if got := drain(t, q); !slices.Equal(got, []int64{1}) {
			t.Errorf("got %v", got)
		}
	})
}

func drainOne(t *testing.T, q *sysv.Queue) int64 {
	t.Helper()
	m, err := q.Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m.Type
}

func TestEverythingAtOnce(t *testing.T) {
	q := newQueue(t, &sysv.Config{Capacity: 200})
	var all sync.WaitGroup
	allowed := func(name string, err error, kinds ...error) {
		for _, kind := range append(kinds, nil, mq.ErrClosed) {
			if errors.Is(err, kind) {
				return
			}
		}
		t.Errorf("%s: %v", name, err)
	}
	loop := func(name string, f func(context.Context) error, kinds ...error) {
		all.Go(func() {
			for {
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Microsecond)
				err := f(ctx)
				cancel()
				allowed(name, err, append(kinds, context.DeadlineExceeded)...)
				if errors.Is(err, mq.ErrClosed) {
					return
				}
			}
		})
	}
	loop("Send", func(ctx context.Context) error { return q.Send(ctx, mq.Message{Type: 1, Data: make([]byte, 50)}) }, mq.ErrTooLarge)
	loop("Send", func(ctx context.Context) error { return q.Send(ctx, mq.Message{Type: 2}) })
	loop("TrySend", func(context.Context) error { return q.TrySend(mq.Message{Type: 3}) }, mq.ErrFull)
	for _, s := range []mq.Selector{mq.Any(), mq.Type(1), mq.UpTo(2), mq.Except(2)} {
		loop("Receive "+s.String(), func(ctx context.Context) error {
			r, err := q.Select(s)
			if err == nil {
				_, err = r.Receive(ctx)
			}
			return err
		})
	}
	loop("TryReceive", func(context.Context) error { _, err := q.TryReceive(); return err }, mq.ErrEmpty)
	loop("Peek", func(context.Context) error { _, err := q.Peek(1); return err }, mq.ErrEmpty, errors.ErrUnsupported)
	loop("Stat", func(context.Context) error { _, err := q.Stat(); return err })
	loop("Set", func(context.Context) error {
		return q.Set(func(s *sysv.Settings) { s.Capacity = 240 - s.Capacity }) // 200 or 40
	})
	loop("Queues", func(context.Context) error {
		for _, err := range sysv.Queues() {
			if err != nil {
				return err
			}
		}
		_, err := q.Stat()
		return err
	})
	end := time.After(300 * time.Millisecond)
	<-end
	for range 3 {
		all.Go(func() { allowed("Close", q.Close()) })
	}
	all.Wait()
}
