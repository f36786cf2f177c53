package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"ipcmq/internal/handle"
	"ipcmq/internal/reader"
	"ipcmq/mq"
)

// DefaultBuffer is the number of messages that the channel of a stream holds if
// its Config does not say otherwise.
const DefaultBuffer = 512

// Config says how a stream works. The zero value, like a nil *Config, takes
// every message.
type Config struct {
	// Select chooses the messages to take; the others stay in the queue. The
	// zero value is mq.Any.
	Select mq.Selector

	// Buffer is the number of messages that the channel holds, 1 or more; 0
	// means DefaultBuffer. More makes a stream faster while messages come in
	// bursts: with a Buffer of 1 each message waits for its reader. Less leaves
	// more in the queue, where other processes may take it.
	//
	// While messages come faster than they can be taken, and the reader of the
	// channel has read them all, the stream gathers up to Buffer, at most 1,024
	// or 64 KiB, before it hands them over, since waking a reader takes long.
	Buffer int

	// Spin is how long the stream polls an empty queue before it sleeps; 0 means
	// 50 µs, and less than 0 not at all. A message that comes meanwhile is taken
	// without the 10 to 50 µs that waking a thread takes; the price is a busy
	// processor. Where polling finds nothing, it is done ever more rarely, down to
	// once in 256 waits. A queue on other hosts is not polled.
	Spin time.Duration
}

// A Stream is a queue as a channel. Its methods may be called by several
// goroutines at once.
type Stream struct {
	messages chan mq.Message
	reader   *reader.Reader
	abort    chan struct{} // closed by Close: deliver nothing more
	closing  sync.Once

	counters counters

	mu     sync.Mutex
	err    error
	unread []mq.Message
}

// New starts a stream of the messages of q. Nothing else may be needed of q
// meanwhile, but other calls on it are allowed: a message goes to the stream or
// to them.
//
// The error matches [mq.ErrInvalidConfig], [mq.ErrInvalidType], or
// errors.ErrUnsupported if q cannot select what cfg asks for.
func New(q mq.Queue, cfg *Config) (*Stream, error) {
	var c Config
	if cfg != nil {
		c = *cfg
	}
	switch {
	case c.Buffer < 0:
		return nil, invalid("Buffer = %d is negative; 0 is the default of %d", c.Buffer, DefaultBuffer)
	case c.Buffer == 0:
		c.Buffer = DefaultBuffer
	}
	receiver, err := q.Select(c.Select)
	if err != nil {
		return nil, err
	}
	s := &Stream{messages: make(chan mq.Message, c.Buffer), abort: make(chan struct{})}
	room := reader.Room(q)
	s.reader = reader.Start(q, receiver, reader.Spin(q, c.Spin), reader.Consumer{
		Room:    func() int { return room(s.messages) },
		Deliver: s.deliver,
		Ended:   s.ended,
	})
	return s, nil
}

func invalid(format string, args ...any) error {
	return &mq.Error{Op: "start stream", Kind: mq.ErrInvalidConfig, Detail: fmt.Sprintf(format, args...)}
}

// Messages returns the channel of the stream; it is the same one each time.
// Several goroutines may read from it, and each message goes to one of them.
// The channel is closed when the stream has ended.
func (s *Stream) Messages() <-chan mq.Message { return s.messages }

// Done returns a channel that is closed when the stream has ended: when
// Messages is closed.
func (s *Stream) Done() <-chan struct{} { return s.reader.Done() }

// Err returns the error of the queue that ended the stream. It is nil while the
// stream runs, and after a Shutdown or Close that came first.
func (s *Stream) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Shutdown ends the stream gracefully: it takes no more messages, waits until
// those taken have been read from Messages, and closes that. It must not be
// called by the only goroutine that reads.
//
// If ctx ends first, Shutdown closes the stream as [Stream.Close] does, and the
// error matches ctx.Err() and the cause of ctx, and [mq.ErrUnread] if something was left.
func (s *Stream) Shutdown(ctx context.Context) error {
	s.reader.Stop()
	select {
	case <-s.reader.Done():
	case <-ctx.Done():
		return errors.Join(handle.Ended("shut down stream", "", ctx), s.Close())
	}
	if !reader.AwaitRead(ctx, func() int { return len(s.messages) }) {
		return errors.Join(handle.Ended("shut down stream", "", ctx), s.Close())
	}
	return s.Close() // which tells if another Close was faster than the readers
}

// Close ends the stream at once: it takes no more messages and closes Messages.
// What was taken and not read is kept for [Stream.Unread]; if there is any, the
// error matches [mq.ErrUnread]. Close may be called more than once, also by the
// goroutine that reads.
func (s *Stream) Close() error {
	s.reader.Stop()
	s.closing.Do(func() { close(s.abort) })
	<-s.reader.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keepUnread()
	if len(s.unread) == 0 {
		return nil
	}
	return &mq.Error{Op: "close stream", Kind: mq.ErrUnread,
		Detail: fmt.Sprintf("%d messages were taken from the queue and not read; Unread returns them", len(s.unread))}
}

// Unread returns the messages, oldest first, that the stream had taken and
// nobody had read when it was closed, and forgets them. Before Close it returns
// nil.
func (s *Stream) Unread() []mq.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	unread := s.unread
	s.unread = nil
	return unread
}

// deliver puts messages into the channel; or, if Close comes first, with the
// unread.
func (s *Stream) deliver(taken []mq.Message) {
	s.counters.take(taken)
	for i, m := range taken {
		select {
		case s.messages <- m:
		default:
			if !s.await(m) {
				s.keep(taken[i:])
				return
			}
		}
		s.counters.delivered.Add(1)
	}
}

// await puts m into the channel when that has room, unless Close comes first.
func (s *Stream) await(m mq.Message) bool {
	s.counters.block()
	defer s.counters.unblock()
	select {
	case s.messages <- m:
		return true
	case <-s.abort:
		return false
	}
}

// keep puts messages that never were in the channel with the unread.
func (s *Stream) keep(messages []mq.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keepUnread() // they are older
	s.unread = append(s.unread, messages...)
}

// keepUnread moves what is in the channel to the unread.
func (s *Stream) keepUnread() { s.unread = append(s.unread, reader.Drain(s.messages)...) }

func (s *Stream) ended(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	close(s.messages)
}
