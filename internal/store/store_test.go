package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"ipcmq/internal/procfs"
	"ipcmq/internal/store"
	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m, roles) }

// newQueue creates a queue that is removed after the test.
func newQueue(tb testing.TB) int {
	tb.Helper()
	id, errno := sys.Msgget(0, sys.IPC_CREAT|0o600)
	if errno != 0 {
		tb.Fatal(errno)
	}
	tb.Cleanup(func() { sys.MsgRemove(id) })
	return id
}

// newStore creates a store that is given up after the test.
func newStore(tb testing.TB, size int) *store.Store {
	tb.Helper()
	s, err := store.Make(store.Readers{UID: uint32(os.Geteuid()), Mode: 0o600}, size)
	if err != nil {
		if sys.ENOSYS.Is(err.Err) {
			testutil.Lacking(tb, "System V shared memory")
		}
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		s.Stop()
		s.Leave()
	})
	return s
}

func newReader(tb testing.TB) *store.Reader {
	r := &store.Reader{}
	tb.Cleanup(r.Close)
	return r
}

// put puts a payload into a store for which there is room.
func put(tb testing.TB, s *store.Store, data []byte, queue int) *store.Block {
	tb.Helper()
	b, errno := s.Put(tb.Context(), data, queue, false)
	if errno != 0 {
		tb.Fatal(errno)
	}
	return b
}

// receive redeems a ticket and frees its payload.
func receive(r *store.Reader, t store.Ticket, queue int) ([]byte, error) {
	p, err := r.Redeem(t, queue)
	if err != nil {
		return nil, err
	}
	defer p.Done()
	data, err := p.Copy(nil)
	if err == nil {
		p.Free()
	}
	return data, err
}

// segments returns how many there are.
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

func TestAPayloadIsReceivedOnce(t *testing.T) {
	s, r, queue := newStore(t, 1<<20), newReader(t), newQueue(t)
	for _, n := range []int{0, 1, 4095, 4096, 4097, 1 << 20} {
		data := bytes.Repeat([]byte("payload "), n/8+1)[:n]
		b := put(t, s, data, queue)
		ticket, ok := store.ParseTicket(b.Ticket().Bytes())
		if !ok || ticket != b.Ticket() {
			t.Fatalf("%+v became %+v, %v", b.Ticket(), ticket, ok)
		}
		if n%2 == 0 { // the receiver may be quicker
			b.Sent()
		}
		if got, err := receive(r, ticket, queue); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes: got %d, %v", n, len(got), err)
		}
		if n%2 != 0 {
			b.Sent()
		}
		if _, err := receive(r, ticket, queue); !errors.Is(err, store.ErrGone) {
			t.Errorf("%d bytes, again: %v", n, err)
		}
	}
}

func TestWhatWasNotSentIsFreed(t *testing.T) {
	s, r, queue := newStore(t, 8192), newReader(t), newQueue(t)
	for range 3000 { // more than there are entries
		b := put(t, s, make([]byte, 8192), queue)
		b.Drop()
		if _, err := receive(r, b.Ticket(), queue); !errors.Is(err, store.ErrGone) {
			t.Fatal(err)
		}
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

func TestAFullStoreMakesThoseWhoPutWait(t *testing.T) {
	s, r, queue := newStore(t, 3*4096), newReader(t), newQueue(t)
	var tickets []store.Ticket
	for range 3 {
		b := put(t, s, []byte("x"), queue)
		tickets = append(tickets, b.Ticket())
		b.Sent()
	}
	if _, errno := s.Put(t.Context(), nil, queue, false); errno != sys.EAGAIN {
		t.Fatal(errno)
	}
	waiting := func(ctx context.Context, n int) chan sys.Errno {
		done, waits := make(chan sys.Errno, 1), newSpy(ctx)
		go func() {
			b, errno := s.Put(waits, make([]byte, n), queue, true)
			if errno == 0 {
				b.Drop()
			}
			done <- errno
		}()
		<-waits.asked
		return done
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := waiting(ctx, 1)
	cancel()
	if errno := <-done; errno != sys.EINTR {
		t.Error(errno)
	}
	// A large one waits for more, and then for room that is in one piece.
	done = waiting(t.Context(), 2*4096)
	for _, i := range []int{0, 2} {
		if _, err := receive(r, tickets[i], queue); err != nil {
			t.Fatal(err)
		}
		select {
		case errno := <-done:
			t.Fatalf("it did not wait: %v", errno)
		default:
		}
	}
	if _, err := receive(r, tickets[1], queue); err != nil {
		t.Fatal(err)
	}
	if errno := <-done; errno != 0 {
		t.Error(errno)
	}
	for range 3 {
		put(t, s, []byte("x"), queue).Sent()
	}
	done = waiting(t.Context(), 1)
	sys.MsgRemove(queue)
	s.Look()
	if errno := <-done; errno != sys.EIDRM {
		t.Error(errno)
	}
	queue = newQueue(t)
	b, errno := s.Put(t.Context(), nil, queue, true) // what was for the queue that is gone makes room, in time
	if errno != 0 {
		t.Fatal(errno)
	}
	b.Drop()
	for range 3 {
		put(t, s, []byte("x"), queue).Sent()
	}
	done = waiting(t.Context(), 1)
	s.Stop()
	if errno := <-done; errno != sys.EINTR {
		t.Error(errno)
	}
}

func TestStoresAreRemovedWithTheirLastPayload(t *testing.T) {
	queue, before := newQueue(t), segments(t)
	for _, full := range []bool{false, true} {
		s, r := newStore(t, 1<<20), newReader(t)
		b := put(t, s, []byte("x"), queue)
		ticket := b.Ticket()
		if full {
			b.Sent()
		} else {
			b.Drop()
		}
		s.Stop()
		s.Leave()
		if full {
			if n := segments(t); n != before+1 {
				t.Errorf("%d segments, with a payload that waits in one; %d before", n, before)
			}
			if _, err := receive(r, ticket, queue); err != nil {
				t.Error(err)
			}
		}
		if n := segments(t); n != before {
			t.Errorf("%d segments are left, %d before", n, before)
		}
	}
}

// send puts a ticket into a queue.
func send(tb testing.TB, queue int, t store.Ticket) {
	tb.Helper()
	b := make([]byte, sys.TypeSize, sys.TypeSize+store.TicketSize)
	sys.PutType(b, 1)
	if errno := sys.Msgsnd(queue, append(b, t.Bytes()...), store.TicketSize, sys.IPC_NOWAIT); errno != 0 {
		tb.Fatal(errno)
	}
}

func TestPayloadsWithoutTicketsAreCollected(t *testing.T) {
	testutil.NotEmulated(t, "the emulator shows a process another start time of itself than others see, so that it looks dead to them")
	store.SetGrace(time.Millisecond)
	defer store.SetGrace(30 * time.Second)
	s, r, queue := newStore(t, 1<<20), newReader(t), newQueue(t)
	kept := map[string]store.Ticket{}
	for _, name := range []string{"in the queue", "on its way", "lost"} {
		b := put(t, s, []byte(name), queue)
		kept[name] = b.Ticket()
		switch name {
		case "in the queue":
			send(t, queue, b.Ticket())
			b.Sent()
		case "on its way":
			defer b.Drop()
		case "lost":
			b.Sent()
		}
	}
	b := put(t, s, []byte("removed"), func() int { id := newQueue(t); sys.MsgRemove(id); return id }())
	kept["removed"] = b.Ticket()
	b.Sent()
	is := func(name string) bool {
		p, err := r.Redeem(kept[name], queue)
		if err == nil {
			p.Done()
		}
		return !errors.Is(err, store.ErrGone)
	}
	for range 3 {
		s.Full() // as if its sender waited
		store.Collect()
		testutil.Await(t, func() error { return after(time.Millisecond) })
	}
	for name, want := range map[string]bool{"in the queue": true, "on its way": true, "lost": false, "removed": false} {
		if is(name) != want {
			t.Errorf("%s: it is there: %v", name, !want)
		}
	}
}

var since = time.Now()

// after returns nil when some time has passed.
func after(d time.Duration) error {
	if time.Since(since) < d {
		return fmt.Errorf("only %v have passed", time.Since(since))
	}
	since = time.Now()
	return nil
}
