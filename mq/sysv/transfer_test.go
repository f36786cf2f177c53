package sysv_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

// A way is one of the four methods of a receiver.
type way struct {
	name    string
	receive func(context.Context, mq.Receiver) (mq.Message, error)
}

var ways = []way{
	{"Receive", func(ctx context.Context, r mq.Receiver) (mq.Message, error) { return r.Receive(ctx) }},
	{"TryReceive", func(_ context.Context, r mq.Receiver) (mq.Message, error) { return r.TryReceive() }},
	{"ReceiveInto", func(ctx context.Context, r mq.Receiver) (m mq.Message, err error) {
		err = r.ReceiveInto(ctx, &m)
		return m, err
	}},
	{"TryReceiveInto", func(_ context.Context, r mq.Receiver) (m mq.Message, err error) {
		err = r.TryReceiveInto(&m)
		return m, err
	}},
}

// send sends messages of these types, each with its type as text.
func send(t *testing.T, q mq.Sender, types ...int64) {
	t.Helper()
	for _, typ := range types {
		if err := q.TrySend(mq.Message{Type: typ, Data: []byte(strconv.FormatInt(typ, 10))}); err != nil {
			t.Fatal(err)
		}
	}
}

// waiting returns how many messages are in the queue.
func waiting(t *testing.T, q *sysv.Queue) int64 {
	t.Helper()
	s, err := q.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return s.Messages
}

// drain takes all messages and returns their types.
func drain(t *testing.T, q *sysv.Queue) (types []int64) {
	t.Helper()
	for {
		m, err := q.TryReceive()
		if errors.Is(err, mq.ErrEmpty) {
			return types
		}
		if err != nil {
			t.Fatal(err)
		}
		types = append(types, m.Type)
	}
}

func TestSelectorsTakeWhatTheySelectInOrder(t *testing.T) {
	sent := []int64{5, 3, 9, 3, 1, 5, sys.MaxType}
	for _, test := range []struct {
		s           mq.Selector
		taken, left []int64
	}{
		{mq.Any(), sent, nil},
		{mq.Type(3), []int64{3, 3}, []int64{5, 9, 1, 5, sys.MaxType}},
		{mq.Type(4), nil, sent},
		{mq.Type(sys.MaxType), []int64{sys.MaxType}, []int64{5, 3, 9, 3, 1, 5}},
		{mq.UpTo(5), []int64{1, 3, 3, 5, 5}, []int64{9, sys.MaxType}},
		{mq.UpTo(1), []int64{1}, []int64{5, 3, 9, 3, 5, sys.MaxType}},
		{mq.UpTo(sys.MaxType), []int64{1, 3, 3, 5, 5, 9, sys.MaxType}, nil},
		{mq.Except(5), []int64{3, 9, 3, 1, sys.MaxType}, []int64{5, 5}},
		{mq.Except(4), sent, nil},
	} {
		for _, way := range ways {
			t.Run(test.s.String()+"/"+way.name, func(t *testing.T) {
				q := newQueue(t, nil)
				send(t, q, sent...)
				r, err := q.Select(test.s)
				if err != nil {
					t.Fatal(err)
				}
				for i, want := range test.taken {
					m, err := way.receive(t.Context(), r)
					if err != nil || m.Type != want || string(m.Data) != strconv.FormatInt(want, 10) || m.Priority != 0 || m.Truncated {
						t.Fatalf("message %d: %+v, %v; want type %d", i, m, err, want)
					}
				}
				if m, err := r.TryReceive(); !errors.Is(err, mq.ErrEmpty) || !errors.Is(err, sys.ENOMSG) {
					t.Errorf("one too many: %+v, %v", m, err)
				}
				if left := drain(t, q); !slices.Equal(left, test.left) {
					t.Errorf("left %v, want %v", left, test.left)
				}
			})
		}
	}
}

func TestASleepingReceiverTakesOnlyWhatItSelects(t *testing.T) {
	for _, test := range []struct {
		s             mq.Selector
		others, wants int64
	}{{mq.Type(5), 6, 5}, {mq.UpTo(5), 6, 4}, {mq.Except(5), 5, 6}} {
		t.Run(test.s.String(), func(t *testing.T) {
			q := newQueue(t, nil)
			r, err := q.Select(test.s)
			if err != nil {
				t.Fatal(err)
			}
			got := make(chan int64)
			go func() {
				m, err := r.Receive(t.Context())
				if err != nil {
					t.Error(err)
				}
				got <- m.Type
			}()
			awaitReceivers(t, os.Getpid(), 1)
			send(t, q, test.others)
			send(t, q, test.wants)
			if typ := <-got; typ != test.wants {
				t.Errorf("took type %d", typ)
			}
			if left := drain(t, q); !slices.Equal(left, []int64{test.others}) {
				t.Errorf("left %v", left)
			}
		})
	}
}

// awaitWaiting returns when n calls wait on q, for which a few threads sleep.
func awaitWaiting(t testing.TB, q *sysv.Queue, n int) {
	t.Helper()
	testutil.Await(t, func() error {
		if got := sysv.Waiting(q); got != n {
			return fmt.Errorf("%d calls wait, not %d", got, n)
		}
		return nil
	})
}

// awaitReceivers returns when n threads of a process sleep in msgrcv.
func awaitReceivers(t testing.TB, pid, n int) {
	t.Helper()
	testutil.AwaitAsleep(t, pid, n, "do_msgrcv", "ksys_msgrcv")
}

// awaitSenders returns when n threads of a process sleep in msgsnd.
func awaitSenders(t testing.TB, pid, n int) {
	t.Helper()
	testutil.AwaitAsleep(t, pid, n, "do_msgsnd", "ksys_msgsnd")
}

func TestInvalidSelectorsAreRefused(t *testing.T) {
	q := newQueue(t, nil)
	send(t, q, 1)
	for _, typ := range []int64{0, -1, math.MinInt64} {
		for _, s := range []mq.Selector{mq.Type(typ), mq.UpTo(typ), mq.Except(typ)} {
			if _, err := q.Select(s); !errors.Is(err, mq.ErrInvalidType) || !strings.Contains(err.Error(), q.String()) {
				t.Errorf("%v: %v", s, err)
			}
		}
	}
	if sys.MaxType < math.MaxInt64 {
		if _, err := q.Select(mq.Type(math.MaxInt64)); !errors.Is(err, mq.ErrInvalidType) {
			t.Errorf("a type of 64 bits: %v", err)
		}
	}
}

func TestMessagesOfEverySizeArriveWhole(t *testing.T) {
	q := newQueue(t, nil)
	most := q.Capabilities().MaxPayload
	limits, err := sysv.SystemLimits()
	if err != nil || most != min(limits.MaxMessage, limits.DefaultCapacity) {
		t.Fatalf("MaxPayload %d, limits %+v, %v", most, limits, err)
	}
	m := mq.Message{Data: make([]byte, 0, 100)}
	for _, n := range []int{0, 1, 7, 8, 9, 100, 101, 4047, 4048, 4096, most - 1, most, 0, 1} {
		data := make([]byte, n)
		for i := range data {
			data[i] = byte(i*7 + n)
		}
		for _, way := range ways {
			if err := q.Send(t.Context(), mq.Message{Type: 1, Data: data, Priority: 7}); err != nil {
				t.Fatalf("%d bytes: %v", n, err)
			}
			got, err := way.receive(t.Context(), q)
			if err != nil || !bytes.Equal(got.Data, data) || got.Data == nil || got.Truncated || got.Priority != 0 {
				t.Fatalf("%d bytes, %s: %d bytes, %v", n, way.name, len(got.Data), err)
			}
		}
		room := cap(m.Data)
		if err := q.TrySend(mq.Message{Type: 2, Data: data}); err != nil {
			t.Fatal(err)
		}
		if err := q.ReceiveInto(t.Context(), &m); err != nil || m.Type != 2 || !bytes.Equal(m.Data, data) {
			t.Fatalf("%d bytes into %d: %d bytes, %v", n, room, len(m.Data), err)
		}
		if n <= room && cap(m.Data) != room {
			t.Errorf("%d bytes: memory of %d bytes was replaced", n, room)
		}
	}
}

func TestReceiveIntoChangesNothingOnError(t *testing.T) {
	q := newQueue(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m := mq.Message{Type: 5, Priority: 6, Data: []byte("kept"), Truncated: true}
	for i, err := range []error{q.ReceiveInto(ctx, &m), q.TryReceiveInto(&m)} {
		if err == nil || m.Type != 5 || m.Priority != 6 || string(m.Data) != "kept" || !m.Truncated {
			t.Errorf("%d: %v, %+v", i, err, m)
		}
	}
}

func TestSentMemoryStaysTheSenders(t *testing.T) {
	q := newQueue(t, nil)
	data := []byte("first")
	if err := q.TrySend(mq.Message{Type: 1, Data: data}); err != nil {
		t.Fatal(err)
	}
	copy(data, "other")
	a, err := q.TryReceive()
	if err != nil || string(a.Data) != "first" {
		t.Fatalf("%q, %v", a.Data, err)
	}
	send(t, q, 2)
	if b, err := q.TryReceive(); err != nil || string(a.Data) != "first" || string(b.Data) != "2" {
		t.Errorf("%q, %q, %v", a.Data, b.Data, err)
	}
}

func TestInvalidTypesAreNotSent(t *testing.T) {
	q := newQueue(t, nil)
	types := []int64{0, -1, math.MinInt64}
	if sys.MaxType < math.MaxInt64 {
		types = append(types, math.MaxInt64, 1<<31)
	}
	for _, typ := range types {
		for _, err := range []error{q.Send(t.Context(), mq.Message{Type: typ}), q.TrySend(mq.Message{Type: typ})} {
			if !errors.Is(err, mq.ErrInvalidType) || !strings.Contains(err.Error(), "message type "+strconv.FormatInt(typ, 10)+" is not in 1 to") {
				t.Errorf("type %d: %v", typ, err)
			}
		}
	}
	if n := waiting(t, q); n != 0 {
		t.Errorf("%d messages in the queue", n)
	}
}

func TestAccessOfTheHandleIsKept(t *testing.T) {
	q := newQueue(t, nil)
	send(t, q, 1)
	open := func(a mq.Access) *sysv.Queue {
		h, err := sysv.OpenID(q.ID(), &sysv.Config{Access: a})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Close() })
		return h
	}
	reader, writer := open(mq.ReadOnly), open(mq.WriteOnly)
	_, receive := writer.Receive(t.Context())
	_, tryReceive := writer.TryReceive()
	_, peek := writer.Peek(0)
	for name, err := range map[string]error{
		"send":           reader.Send(t.Context(), mq.Message{Type: 1}),
		"try send":       reader.TrySend(mq.Message{Type: 1}),
		"receive":        receive,
		"try receive":    tryReceive,
		"receive into":   writer.ReceiveInto(t.Context(), new(mq.Message)),
		"try rcv. into":  writer.TryReceiveInto(new(mq.Message)),
		"peek":           peek,
		"send, bad type": reader.Send(t.Context(), mq.Message{}),
	} {
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "the handle was opened") {
			t.Errorf("%s: %v", name, err)
		}
	}
	send(t, writer, 2)
	if got := drain(t, reader); !slices.Equal(got, []int64{1, 2}) {
		t.Errorf("got %v", got)
	}
}

func TestAFullQueue(t *testing.T) {
	fill := func(t *testing.T) *sysv.Queue {
		q := newQueue(t, &sysv.Config{Capacity: 2})
		send(t, q, 1, 2)
		return q
	}
	t.Run("TrySend fails", func(t *testing.T) {
		q := fill(t)
		if err := q.TrySend(mq.Message{Type: 3, Data: []byte("3")}); !errors.Is(err, mq.ErrFull) || !errors.Is(err, sys.EAGAIN) {
			t.Errorf("got %v", err)
		}
		if n := waiting(t, q); n != 2 {
			t.Errorf("%d messages", n)
		}
	})
	t.Run("Send waits until its deadline and sends nothing", func(t *testing.T) {
		q := fill(t)
		start := time.Now() // before the context starts
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		err := q.Send(ctx, mq.Message{Type: 3, Data: []byte("3")})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) < 20*time.Millisecond {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		if got := drain(t, q); !slices.Equal(got, []int64{1, 2}) {
			t.Errorf("left %v", got)
		}
	})
	t.Run("Send waits for room", func(t *testing.T) {
		q := fill(t)
		done := make(chan error)
		go func() { done <- q.Send(t.Context(), mq.Message{Type: 3, Data: []byte("3")}) }()
		awaitSenders(t, os.Getpid(), 1)
		if m, err := q.Receive(t.Context()); err != nil || m.Type != 1 {
			t.Errorf("%+v, %v", m, err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if got := drain(t, q); !slices.Equal(got, []int64{2, 3}) {
			t.Errorf("left %v", got)
		}
	})
	t.Run("a receiver of another type does not make room", func(t *testing.T) {
		q := fill(t)
		r, err := q.Select(mq.Type(9))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { _, err := r.Receive(ctx); done <- err }()
		awaitReceivers(t, os.Getpid(), 1)
		if err := q.TrySend(mq.Message{Type: 9, Data: []byte("9")}); !errors.Is(err, mq.ErrFull) {
			t.Errorf("got %v", err)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("empty messages are counted", func(t *testing.T) {
		q := newQueue(t, &sysv.Config{Capacity: 4})
		for range 4 {
			if err := q.TrySend(mq.Message{Type: 1}); err != nil {
				t.Fatal(err)
			}
		}
		if err := q.TrySend(mq.Message{Type: 1}); !errors.Is(err, mq.ErrFull) {
			t.Errorf("got %v", err)
		}
	})
}
