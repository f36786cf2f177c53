package stream_test

import (
	"errors"
	"fmt"
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

// backends creates a queue of each kind; typed ones have message types.
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
		testutil.NotEmulated(tb, "the emulator passes the O_NONBLOCK of mips to mq_setattr", "mips", "mipsle", "mips64", "mips64le")
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

// newQueue creates a System V queue that is removed after the test.
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

// send sends the numbers in [from, to), as type t.
func send(tb testing.TB, q mq.Sender, t int64, from, to int) {
	tb.Helper()
	for i := from; i < to; i++ {
		if err := q.Send(tb.Context(), mq.Message{Type: t, Data: fmt.Append(nil, i)}); err != nil {
			tb.Error(err) // not Fatal, for goroutines
			return
		}
	}
}

// numbers returns the numbers in [from, to), as text.
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

// awaitReceived waits until the stream has taken n messages and put as many
// into its channel as fit.
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

func TestInvalidConfigsAreRefused(t *testing.T) {
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
		<-s.Messages() // the stream continues, and is blocked again
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
		// One was taken but never put into the channel, one stays in the queue.
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

// TestBufferLimitsWhatIsTaken: at most one message that the stream has taken is
// not in the channel.
func TestBufferLimitsWhatIsTaken(t *testing.T) {
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
