package large_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

	"ipcmq/internal/procfs"
	"ipcmq/internal/store"
	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/large"
	"ipcmq/mq/mqtest"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

// pattern returns n bytes that differ from page to page.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
}

func send(tb testing.TB, q mq.Sender, typ int64, data []byte) {
	tb.Helper()
	if err := q.Send(tb.Context(), mq.Message{Type: typ, Data: data}); err != nil {
		tb.Fatal(err)
	}
}

func receive(tb testing.TB, q mq.Receiver) mq.Message {
	tb.Helper()
	m, err := q.Receive(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// segments returns how many stores and other segments there are.
func segments(tb testing.TB) (n int) {
	tb.Helper()
	for s, err := range procfs.Segments(procfs.Root) {
		if err != nil {
			tb.Fatal(err)
		}
		if !s.Removed {
			n++
		}
	}
	return n
}

func TestPayloadsOfAnySizeArrive(t *testing.T) {
	key := freeKey(t)
	q, plain := wrap(t, openSysV(t, key, nil), nil), openSysV(t, key, nil)
	defer plain.Close()
	most := plain.Capabilities().MaxPayload
	for i, n := range []int{0, 1, 31, 32, 33, most, most + 1, 100_000, 1 << 20, large.DefaultMaxPayload} {
		data := pattern(n)
		send(t, q, int64(i+1), data)
		travels, err := plain.Peek(0)
		if err != nil {
			t.Fatal(err)
		}
		if n <= most != bytes.Equal(travels.Data, data) || n > most && len(travels.Data) != store.TicketSize {
			t.Errorf("%d bytes travel as %d", n, len(travels.Data))
		}
		if m := receive(t, q); m.Type != int64(i+1) || !bytes.Equal(m.Data, data) || m.Truncated {
			t.Errorf("%d bytes: got type %d, %d bytes, Truncated %v", n, m.Type, len(m.Data), m.Truncated)
		}
	}
	err := q.TrySend(mq.Message{Type: 1, Data: make([]byte, large.DefaultMaxPayload+1)})
	if !errors.Is(err, mq.ErrTooLarge) || !strings.Contains(err.Error(), "67108865 bytes exceeds MaxPayload = 67108864") {
		t.Error(err)
	}
}

func TestPayloadsThatLookLikeTicketsArriveUnchanged(t *testing.T) {
	key := freeKey(t)
	q, plain := wrap(t, openSysV(t, key, nil), nil), openSysV(t, key, nil)
	defer plain.Close()
	send(t, q, 1, pattern(100_000))
	ticket := receive(t, plain).Data
	for _, data := range [][]byte{ticket, append([]byte("\xba\x7c\xfd\x01"), make([]byte, 28)...), []byte("\xba\x7c\xfd\x01"), append(bytes.Clone(ticket), 0)} {
		send(t, q, 1, data)
		if m := receive(t, q); !bytes.Equal(m.Data, data) || m.Truncated {
			t.Errorf("%x became %x", data, m.Data)
		}
	}
	// Also payloads that are not tickets, from a program that does not know
	// tickets.
	for _, data := range [][]byte{ticket[:31], append([]byte("\xba\x7c\xfd\x01"), bytes.Repeat([]byte{255}, 28)...)} {
		send(t, plain, 1, data)
		if m := receive(t, q); !bytes.Equal(m.Data, data) || m.Truncated {
			t.Errorf("%x became %x", data, m.Data)
		}
	}
	send(t, plain, 7, ticket) // the payload is still there
	if m := receive(t, q); m.Type != 7 || !bytes.Equal(m.Data, pattern(100_000)) {
		t.Errorf("got %d bytes", len(m.Data))
	}
}

func TestAMissingPayloadIsMarked(t *testing.T) {
	key := freeKey(t)
	text := new(strings.Builder)
	logger := slog.New(slog.NewTextHandler(text, nil))
	q := wrap(t, openSysV(t, key, nil), nil)
	r := wrap(t, openSysV(t, key, nil), &large.Config{MaxPayload: 200_000, Logger: logger})
	plain := openSysV(t, key, nil)
	defer plain.Close()
	for _, c := range []struct {
		size int
		do   func(ticket []byte) // before it is received
		why  string
	}{
		{100_000, func(ticket []byte) { send(t, plain, 2, ticket); receive(t, r) }, "its payload is gone"}, // received twice
		{100_000, func(ticket []byte) { ticket[8]++ }, "its payload is gone"},
		{100_000, func(ticket []byte) { ticket[16]++ }, "does not fit"},
		{100_000, func(ticket []byte) { ticket[25] = 4 }, "does not fit"},
		{200_001, func(ticket []byte) {}, "200001 bytes, more than MaxPayload = 200000"},
	} {
		text.Reset()
		send(t, q, 3, pattern(c.size))
		ticket := receive(t, plain).Data
		c.do(ticket)
		send(t, plain, 3, ticket)
		m := receive(t, r)
		if m.Type != 3 || !m.Truncated || !bytes.Equal(m.Data, ticket) || !strings.Contains(text.String(), c.why) {
			t.Errorf("%d bytes: type %d, %d bytes, Truncated %v, %s, not %q", c.size, m.Type, len(m.Data), m.Truncated, text, c.why)
		}
	}
}

// remote is a queue on another host.
type remote struct{ mq.Queue }

func (remote) Capabilities() mq.Capabilities { return mq.Capabilities{Remote: true} }

func TestQueuesThatCannotHaveAStoreAreRefused(t *testing.T) {
	memory := mqtest.New(nil)
	defer memory.Close()
	p, err := posix.Open("/ipcmq-large-test", &posix.Config{Exclusive: true})
	if errors.Is(err, errors.ErrUnsupported) {
		testutil.Lacking(t, "POSIX queues")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	defer p.Unlink()
	for why, q := range map[string]mq.Queue{"on another host": remote{memory}, "posix.Queue is not a System V queue": p, "mqtest.Queue is not a System V queue": memory} {
		if _, err := large.Wrap(q, nil); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), why) {
			t.Errorf("%v, not %q", err, why)
		}
	}
	for _, c := range []large.Config{{MaxPayload: -1}, {Memory: -1}, {MaxPayload: 100, Memory: 99}} {
		if _, err := large.Wrap(p, &c); !errors.Is(err, mq.ErrInvalidConfig) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	small := openSysV(t, sysv.Private, &sysv.Config{Capacity: 31})
	defer small.Close()
	defer small.Remove()
	if _, err := large.Wrap(small, nil); !errors.Is(err, mq.ErrTooLarge) || !strings.Contains(err.Error(), "up to 31 bytes, but a ticket has 32") {
		t.Error(err)
	}
}

// A spy is a context that signals when a call is about to wait with it.
type spy struct {
	context.Context
	once  sync.Once
	asked chan struct{}
}

func newSpy(ctx context.Context) *spy { return &spy{Context: ctx, asked: make(chan struct{})} }

func (s *spy) Done() <-chan struct{} {
	s.once.Do(func() { close(s.asked) })
	return s.Context.Done()
}

func TestAFullMemoryMakesSendWait(t *testing.T) {
	q := wrap(t, openSysV(t, freeKey(t), nil), &large.Config{MaxPayload: 1 << 20, Memory: 2 << 20})
	big := mq.Message{Type: 1, Data: pattern(1 << 20)}
	send(t, q, 1, big.Data)
	send(t, q, 1, big.Data)
	if err := q.TrySend(big); !errors.Is(err, mq.ErrFull) || !strings.Contains(err.Error(), "Memory = 2097152") {
		t.Error(err)
	}
	sent := make(chan error)
	wait := func(ctx context.Context) {
		waits := newSpy(ctx)
		go func() { sent <- q.Send(waits, big) }()
		<-waits.asked
	}
	ctx, cancel := context.WithCancel(t.Context())
	wait(ctx)
	cancel()
	if err := <-sent; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "no room for 1048576 bytes") {
		t.Error(err)
	}
	wait(t.Context())
	if m := receive(t, q); !bytes.Equal(m.Data, big.Data) {
		t.Errorf("got %d bytes", len(m.Data))
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	send(t, q, 2, []byte("small")) // there is room for it
	wait(t.Context())
	if err := q.Remove(); err != nil {
		t.Fatal(err)
	}
	if err := <-sent; !errors.Is(err, mq.ErrRemoved) {
		t.Error(err)
	}
}

func TestTheMemoryIsFreedWithTheQueueAndItsSender(t *testing.T) {
	key, before := freeKey(t), segments(t)
	q := wrap(t, openSysV(t, key, nil), nil)
	send(t, q, 1, pattern(100_000))
	q.Close() // the payload stays
	q = wrap(t, openSysV(t, key, nil), nil)
	if n := segments(t); n != before+1 {
		t.Errorf("%d segments, %d before", n, before)
	}
	if m := receive(t, q); len(m.Data) != 100_000 {
		t.Errorf("%d bytes", len(m.Data))
	}
	if n := segments(t); n != before+1 { // the pool of leases
		t.Errorf("%d segments are left, %d before", n, before)
	}
	send(t, q, 1, pattern(100_000))
	q.Close()
	other := openSysV(t, key, nil)
	defer other.Close()
	if err := other.Remove(); err != nil {
		t.Fatal(err)
	}
	if n := segments(t); n != before {
		t.Errorf("%d segments are left after the removal, %d before", n, before)
	}
}

func TestLimitsOfSharedMemoryAreNamed(t *testing.T) {
	for limit, value := range map[string]string{"shmmax": "100000", "shmall": "10", "shmmni": "0"} {
		func() {
			q := wrap(t, openSysV(t, freeKey(t), nil), nil)
			defer q.Close()
			defer setLimit(t, limit, value)()
			err := q.Send(t.Context(), mq.Message{Type: 1, Data: pattern(100_000)})
			if err == nil || !strings.Contains(err.Error(), "kernel."+limit+" = "+value) {
				t.Errorf("%s: %v", limit, err)
			}
			if m, err := q.TryReceive(); !errors.Is(err, mq.ErrEmpty) {
				t.Errorf("%s: got %d bytes, %v", limit, len(m.Data), err)
			}
		}()
	}
}

// setLimit sets a limit and returns a function that restores it.
func setLimit(tb testing.TB, name, value string) func() {
	tb.Helper()
	testutil.NeedNamespace(tb)
	path := "/proc/sys/kernel/" + name
	old, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0); err != nil {
			tb.Fatal(err)
		}
	}
	write(value)
	return func() { write(string(old)) }
}
