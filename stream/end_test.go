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

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mq/sysv"
	"ipcmq/stream"
)

// TestTheEndOfTheQueueEndsTheStream checks that a stream delivers what was there
// before, and returns why it ended.
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
				if !waiting { // it waits for room, holding one message
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
		synctest.Wait() // 3 in the channel, one held, two in the queue
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
		// The reader took the first immediately, which let the stream take a
		// fifth.
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

func TestACanceledShutdownKeepsWhatWasNotRead(t *testing.T) {
	for _, n := range []int{3, 4} { // all in the channel; one more held
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

func TestACanceledShutdownWithNothingLeftIsNotErrUnread(t *testing.T) {
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
				awaitReceived(t, s, 4, 2) // one read, two in the channel, one held
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

func TestShutdownReportsWhatACloseLeftUnread(t *testing.T) {
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
