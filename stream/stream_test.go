package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
	"ipcmq/stream"
)

// backends makes a queue of each kind; typed ones have message types.
var backends = []struct {
	name  string
	typed bool
	open  func(testing.TB) mq.Queue
}{
	{"Memory", true, func(tb testing.TB) mq.Queue {
		q := mqtest.New(nil)
		tb.Cleanup(func() { q.Close() })
		return q
	}},
	{"SysV", true, func(tb testing.TB) mq.Queue { return newQueue(tb) }},
	{"POSIX", false, func(tb testing.TB) mq.Queue {
		testutil.NotEmulated(tb, "the emulator hands mips's own O_NONBLOCK to mq_setattr", "mips", "mipsle", "mips64", "mips64le")
		q, err := posix.Open(fmt.Sprintf("/ipcmq-stream-%d", time.Now().UnixNano()), &posix.Config{Exclusive: true, MaxMessages: 8, MaxMessageSize: 64})
		if errors.Is(err, errors.ErrUnsupported) {
			testutil.Lacking(tb, "POSIX queues")
		}
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() {
			q.Unlink()
			q.Close()
		})
		return q
	}},
}

// newQueue makes a System V queue that is removed after the test.
func newQueue(tb testing.TB) *sysv.Queue {
	tb.Helper()
	q, err := sysv.Open(sysv.Private, nil)
	if err != nil {
		tb.Fatal(err)
	}
	id := q.ID()
	tb.Cleanup(func() {
		q.Close()
		if again, err := sysv.OpenID(id, nil); err == nil {
			again.Remove()
			again.Close()
		}
	})
	return q
}

func newStream(tb testing.TB, q mq.Queue, cfg *stream.Config) *stream.Stream {
	tb.Helper()
	s, err := stream.New(q, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

// send sends the numbers from up to before to, as type t.
func send(tb testing.TB, q mq.Sender, t int64, from, to int) {
	tb.Helper()
	for i := from; i < to; i++ {
		if err := q.Send(tb.Context(), mq.Message{Type: t, Data: fmt.Append(nil, i)}); err != nil {
			tb.Error(err) // not Fatal, for goroutines
			return
		}
	}
}

// numbers returns the numbers from up to before to, as text.
func numbers(from, to int) (list []string) {
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprint(i))
	}
	return list
}

func texts(messages []mq.Message) (list []string) {
	for _, m := range messages {
		list = append(list, string(m.Data))
	}
	return list
}

// read reads until the channel is closed.
func read(s *stream.Stream) (messages []mq.Message) {
	for m := range s.Messages() {
		messages = append(messages, m)
	}
	return messages
}

// awaitReceived waits until the stream has taken n messages and put into its
// channel as many of them as fit.
func awaitReceived(tb testing.TB, s *stream.Stream, n uint64, buffered int) {
	tb.Helper()
	testutil.Await(tb, func() error {
		if st := s.Stats(); st.Received != n || st.Buffered != buffered {
			return fmt.Errorf("%+v, waiting for %d received, %d buffered", st, n, buffered)
		}
		return nil
	})
}

func TestMessagesComeInOrder(t *testing.T) {
	for _, b := range backends {
		for _, cfg := range []*stream.Config{nil, {Buffer: 1}, {Spin: time.Millisecond}, {Spin: -1}} {
			t.Run(fmt.Sprintf("%s %+v", b.name, cfg), func(t *testing.T) {
				q := b.open(t)
				s := newStream(t, q, cfg)
				if first, second := s.Messages(), s.Messages(); first != second {
					t.Error("Messages returns different channels")
				}
				const n = 2000
				var typ int64
				if b.typed {
					typ = 1
				}
				go send(t, q, typ, 0, n)
				for i := range n {
					if m := <-s.Messages(); string(m.Data) != fmt.Sprint(i) || m.Type != typ {
						t.Fatalf("got %q of type %d, want %d", m.Data, m.Type, i)
					}
				}
				if err := s.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				if err := s.Err(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestSelectLeavesTheOthersInTheQueue(t *testing.T) {
	for _, b := range backends {
		if !b.typed {
			continue
		}
		t.Run(b.name, func(t *testing.T) {
			q := b.open(t)
			send(t, q, 3, 0, 3)
			send(t, q, 2, 3, 6)
			send(t, q, 1, 6, 9)
			s := newStream(t, q, &stream.Config{Select: mq.UpTo(2)})
			for _, want := range []string{"6", "7", "8", "3", "4", "5"} {
				if m := <-s.Messages(); string(m.Data) != want {
					t.Errorf("got %q, want %s", m.Data, want)
				}
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			rest := newStream(t, q, nil)
			for _, want := range numbers(0, 3) {
				if m := <-rest.Messages(); string(m.Data) != want || m.Type != 3 {
					t.Errorf("got %q of type %d, want %s", m.Data, m.Type, want)
				}
			}
		})
	}
}

func TestWhatCannotBeMeantIsRefused(t *testing.T) {
	memory := mqtest.New(nil)
	defer memory.Close()
	for _, c := range []struct {
		cfg  stream.Config
		want error
	}{
		{stream.Config{Buffer: -1}, mq.ErrInvalidConfig},
		{stream.Config{Select: mq.Type(0)}, mq.ErrInvalidType},
		{stream.Config{Select: mq.Except(-5)}, mq.ErrInvalidType},
	} {
		if s, err := stream.New(memory, &c.cfg); s != nil || !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c.cfg, err)
		}
	}
	t.Run("POSIX", func(t *testing.T) {
		q := backends[2].open(t)
		for _, sel := range []mq.Selector{mq.Type(1), mq.UpTo(1), mq.Except(1)} {
			if s, err := stream.New(q, &stream.Config{Select: sel}); s != nil || !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("%v: %v", sel, err)
			}
		}
	})
}

func TestTheConfigIsCopied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		cfg := &stream.Config{Select: mq.Type(1), Buffer: 3}
		s := newStream(t, q, cfg)
		*cfg = stream.Config{Select: mq.Type(2), Buffer: 100}
		send(t, q, 1, 0, 1)
		if m := <-s.Messages(); m.Type != 1 || cap(s.Messages()) != 3 {
			t.Errorf("got %+v, buffer of %d", m, cap(s.Messages()))
		}
		s.Close()
		q.Close()
	})
}

func TestDefaultBuffer(t *testing.T) {
	q := mqtest.New(nil)
	defer q.Close()
	if got := cap(newStream(t, q, nil).Messages()); got != stream.DefaultBuffer {
		t.Errorf("%d, want %d", got, stream.DefaultBuffer)
	}
}

// TestTheEndOfTheQueueEndsTheStream takes what was there before, and says why it
// ended.
func TestTheEndOfTheQueueEndsTheStream(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(q *sysv.Queue) error
		want error
	}{
		{"Remove", func(q *sysv.Queue) error { return q.Remove() }, mq.ErrRemoved},
		{"Close", func(q *sysv.Queue) error { return q.Close() }, mq.ErrClosed},
	} {
		for _, waiting := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, waiting for messages %v", c.name, waiting), func(t *testing.T) {
				q := newQueue(t)
				s := newStream(t, q, &stream.Config{Buffer: 2})
				n := 2
				if !waiting { // for room, with one in hand
					n = 3
				}
				send(t, q, 1, 0, n)
				awaitReceived(t, s, uint64(n), 2)
				if err := s.Err(); err != nil {
					t.Errorf("while it runs: %v", err)
				}
				if err := c.end(q); err != nil {
					t.Fatal(err)
				}
				if got := texts(read(s)); !slices.Equal(got, numbers(0, n)) {
					t.Errorf("read %v", got)
				}
				<-s.Done()
				if err := s.Err(); !errors.Is(err, c.want) {
					t.Errorf("Err is %v", err)
				}
				if err := s.Shutdown(t.Context()); err != nil {
					t.Errorf("Shutdown: %v", err)
				}
				if err := s.Close(); err != nil || s.Unread() != nil {
					t.Errorf("Close: %v", err)
				}
			})
		}
	}
}

func TestShutdownWaitsForTheReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		s := newStream(t, q, &stream.Config{Buffer: 3})
		send(t, q, 1, 0, 6)
		synctest.Wait() // 3 in the channel, one in hand, two in the queue
		var got []string
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for m := range s.Messages() {
				<-time.After(time.Second)
				got = append(got, string(m.Data))
			}
		}()
		synctest.Wait()
		began := time.Now()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d < 3*time.Second {
			t.Errorf("Shutdown took %v", d)
		}
		<-ended
		// The reader took the first at once, which let the stream take a fifth.
		left := q.Stat().Messages
		if !slices.Equal(got, numbers(0, 6-left)) || left == 0 {
			t.Errorf("read %v, %d left", got, left)
		}
		if s.Err() != nil {
			t.Error(s.Err())
		}
		q.Close()
	})
}

func TestShutdownThatIsGivenUpKeepsWhatWasNotRead(t *testing.T) {
	for _, n := range []int{3, 4} { // in the channel; and one in hand
		synctest.Test(t, func(t *testing.T) {
			q := mqtest.New(nil)
			s := newStream(t, q, &stream.Config{Buffer: 3})
			send(t, q, 1, 0, n)
			synctest.Wait()
			if s.Unread() != nil {
				t.Error("unread messages before Close")
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began := time.Now()
			if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, mq.ErrUnread) {
				t.Errorf("got %v", err)
			}
			if d := time.Since(began); d != time.Second {
				t.Errorf("it took %v", d)
			}
			if m, ok := <-s.Messages(); ok {
				t.Errorf("got %+v after Shutdown", m)
			}
			if got := texts(s.Unread()); !slices.Equal(got, numbers(0, n)) {
				t.Errorf("unread: %v", got)
			}
			if got := s.Unread(); got != nil {
				t.Errorf("unread twice: %v", got)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			q.Close()
		})
	}
}

func TestShutdownWithNothingLeftIsGivenUpWithoutErrUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		s := newStream(t, q, &stream.Config{Buffer: 1})
		send(t, q, 1, 0, 1)
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		<-s.Messages()
		// Nothing is left, so it may have succeeded before it saw ctx.
		if err := s.Shutdown(ctx); errors.Is(err, mq.ErrUnread) || err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		q.Close()
	})
}

func TestCloseByTheGoroutineThatReads(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			q := b.open(t)
			s := newStream(t, q, &stream.Config{Buffer: 2})
			var typ int64
			if b.typed {
				typ = 1
			}
			send(t, q, typ, 0, 6)
			for m := range s.Messages() {
				if string(m.Data) != "0" {
					t.Fatalf("got %q", m.Data)
				}
				awaitReceived(t, s, 4, 2) // one read, two in the channel, one in hand
				if err := s.Close(); !errors.Is(err, mq.ErrUnread) {
					t.Errorf("got %v", err)
				}
			}
			if got := texts(s.Unread()); !slices.Equal(got, numbers(1, 4)) {
				t.Errorf("unread: %v", got)
			}
			if err := s.Err(); err != nil {
				t.Errorf("Err is %v", err)
			}
			var rest []string // the queue is still open, with what was not taken
			for range 2 {
				m, err := q.Receive(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				rest = append(rest, string(m.Data))
			}
			if !slices.Equal(rest, numbers(4, 6)) {
				t.Errorf("in the queue: %v", rest)
			}
		})
	}
}

func TestCloseAndShutdownTogetherLoseNothing(t *testing.T) {
	for i := range 30 {
		q := newQueue(t)
		s := newStream(t, q, &stream.Config{Buffer: 4})
		send(t, q, 1, 0, 10)
		readerDone := make(chan []mq.Message)
		go func() { readerDone <- read(s) }()
		var calls sync.WaitGroup
		for _, call := range []func() error{
			s.Close, func() error { return s.Shutdown(t.Context()) }, s.Close, func() error { return s.Shutdown(t.Context()) },
		} {
			calls.Go(func() {
				if err := call(); err != nil && !errors.Is(err, mq.ErrUnread) {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		got := append(texts(<-readerDone), texts(s.Unread())...)
		slices.Sort(got) // the reader and Unread shared what was in the channel
		if !slices.Equal(got, numbers(0, len(got))) {
			t.Fatalf("%d: read or unread %v", i, got)
		}
		if st, err := q.Stat(); err != nil || st.Messages+int64(len(got)) != 10 {
			t.Fatalf("%d: %d of 10 came, %d are left, %v", i, len(got), st.Messages, err)
		}
	}
}

func TestShutdownTellsWhatACloseLeftUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		s := newStream(t, q, &stream.Config{Buffer: 4})
		send(t, q, 1, 0, 2)
		synctest.Wait()
		down := make(chan error)
		go func() { down <- s.Shutdown(t.Context()) }()
		synctest.Wait()
		if err := s.Close(); !errors.Is(err, mq.ErrUnread) {
			t.Errorf("Close: %v", err)
		}
		if err := <-down; !errors.Is(err, mq.ErrUnread) {
			t.Errorf("Shutdown: %v", err)
		}
		if got := texts(s.Unread()); !slices.Equal(got, numbers(0, 2)) {
			t.Errorf("unread: %v", got)
		}
		q.Close()
	})
}

func TestShutdownBeforeTheFirstMessage(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			q := b.open(t)
			for range 20 {
				s := newStream(t, q, nil)
				if err := s.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				if m, ok := <-s.Messages(); ok {
					t.Errorf("got %+v", m)
				}
			}
		})
	}
}

func TestStatsAreExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		s := newStream(t, q, &stream.Config{Buffer: 2})
		expect := func(when string, want stream.Stats) {
			t.Helper()
			synctest.Wait()
			if got := s.Stats(); got != want {
				t.Errorf("%s: %+v, want %+v", when, got, want)
			}
		}
		expect("new", stream.Stats{})
		send(t, q, 1, 10, 12)
		expect("full", stream.Stats{Received: 2, Delivered: 2, Bytes: 4, Buffered: 2})
		send(t, q, 1, 100, 102)
		expect("blocked", stream.Stats{Received: 3, Delivered: 2, Bytes: 7, Buffered: 2})
		<-time.After(3 * time.Second)
		expect("still blocked", stream.Stats{Received: 3, Delivered: 2, Bytes: 7, Buffered: 2, Blocked: 3 * time.Second})
		<-s.Messages() // it goes on, and is blocked again
		expect("one read", stream.Stats{Received: 4, Delivered: 3, Bytes: 10, Buffered: 2, Blocked: 3 * time.Second})
		<-time.After(time.Second)
		for range 3 {
			<-s.Messages()
		}
		<-time.After(time.Minute)
		expect("all read", stream.Stats{Received: 4, Delivered: 4, Bytes: 10, Blocked: 4 * time.Second})
		send(t, q, 1, 0, 4)
		synctest.Wait()
		<-time.After(time.Second)
		s.Close()
		// One was taken and never put into the channel, one stays in the queue.
		expect("closed", stream.Stats{Received: 7, Delivered: 6, Bytes: 13, Blocked: 5 * time.Second})
		q.Close()
	})
}

func TestSeveralReadersShareTheMessages(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			q := b.open(t)
			s := newStream(t, q, &stream.Config{Buffer: 4})
			var typ int64
			if b.typed {
				typ = 1
			}
			const n = 2000
			var mu sync.Mutex
			seen := make(map[string]int)
			var readers sync.WaitGroup
			for range 4 {
				readers.Go(func() {
					for m := range s.Messages() {
						mu.Lock()
						seen[string(m.Data)]++
						mu.Unlock()
					}
				})
			}
			send(t, q, typ, 0, n)
			awaitReceived(t, s, n, 0)
			if err := s.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			readers.Wait()
			for _, i := range numbers(0, n) {
				if seen[i] != 1 {
					t.Errorf("message %s came %d times", i, seen[i])
				}
			}
		})
	}
}

func TestStreamsOfOneQueueShareItByType(t *testing.T) {
	q := newQueue(t)
	one := newStream(t, q, &stream.Config{Select: mq.Type(1)})
	two := newStream(t, q, &stream.Config{Select: mq.Except(1)})
	go func() {
		for i := range 500 {
			send(t, q, 1, i, i+1)
			send(t, q, 2, i, i+1)
		}
	}()
	for i := range 500 {
		if m := <-two.Messages(); string(m.Data) != fmt.Sprint(i) || m.Type != 2 {
			t.Fatalf("got %q of type %d, want %d", m.Data, m.Type, i)
		}
		if m := <-one.Messages(); string(m.Data) != fmt.Sprint(i) || m.Type != 1 {
			t.Fatalf("got %q of type %d, want %d", m.Data, m.Type, i)
		}
	}
}

// TestBufferBoundsWhatIsTaken: of what the stream has taken, no more than one
// message is not in the channel.
func TestBufferBoundsWhatIsTaken(t *testing.T) {
	for _, buffer := range []int{1, 8, 50} {
		synctest.Test(t, func(t *testing.T) {
			q := mqtest.New(nil)
			send(t, q, 1, 0, 100)
			s := newStream(t, q, &stream.Config{Buffer: buffer})
			synctest.Wait()
			left := 0
			for ; left <= 100; left++ {
				if _, err := q.TryReceive(); err != nil {
					break
				}
			}
			if left != 100-buffer-1 {
				t.Errorf("Buffer %d: %d messages are left, want %d", buffer, left, 100-buffer-1)
			}
			s.Close()
			q.Close()
		})
	}
}
