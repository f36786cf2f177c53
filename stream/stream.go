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

// DefaultBuffer is the default of Config.Buffer.
const DefaultBuffer = 512

// Config configures a stream. The zero value, like a nil *Config, takes every
// message.
type Config struct {
	// Select chooses the messages to take; the others stay in the queue. The
	// zero value is mq.Any.
	Select mq.Selector

	// Buffer is the number of messages that the channel holds, 1 or more; 0
	// means DefaultBuffer. A larger one makes a stream faster while messages
	// come in bursts: with a Buffer of 1 each message waits for its reader. A
	// smaller one leaves more in the queue, where other processes may take
	// them.
	//
	// While messages come faster than they can be taken, and the reader of the
	// channel has read everything, the stream gathers up to Buffer messages, at
	// most 1,024 or 64 KiB, before it passes them on, since waking a reader is
	// slow.
	Buffer int

	// Spin is how long the stream polls an empty queue before it sleeps; 0 means
	// 50 µs, and a negative Spin means not at all. A message that comes meanwhile
	// is taken without the 10 to 50 µs that waking a thread takes, at the cost of
	// a busy processor. While polling finds nothing, it is done less and less
	// often, down to once in 256 waits. A queue on another host is not polled.
	Spin time.Duration
}

// A Stream delivers the messages of a queue through a channel. Its methods may
// be called by several goroutines at once.
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

// New starts a stream of the messages of q. Other calls on q are allowed
// meanwhile; each message goes either to the stream or to them. q stays open
// when the stream ends.
//
// The error matches [mq.ErrInvalidConfig], [mq.ErrInvalidType], or
// errors.ErrUnsupported if q cannot select by cfg.Select.
func New(q mq.Queue, cfg *Config) (*Stream, error) {
	var c Config
	if cfg != nil {
		c = *cfg
	}
	switch {
	case c.Buffer < 0:
		return nil, invalid("Buffer = %d is negative; 0 means the default of %d", c.Buffer, DefaultBuffer)
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

// Messages returns the channel of the stream; it is the same each time. Several
// goroutines may read from it, and each message goes to one of them. The
// channel is closed when the stream has ended.
func (s *Stream) Messages() <-chan mq.Message { return s.messages }

// Done returns a channel that is closed when the stream has ended, together
// with Messages.
func (s *Stream) Done() <-chan struct{} { return s.reader.Done() }

// Err returns the error of the queue that ended the stream. It is nil while the
// stream runs, and after a Shutdown or Close that came first.
func (s *Stream) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Shutdown ends the stream gracefully: it takes no more messages, waits until
// those taken have been read from Messages, and closes Messages. It must not be
// called by the only goroutine that reads.
//
// If ctx ends first, Shutdown closes the stream like [Stream.Close]; the error
// matches ctx.Err() and the cause of ctx, and [mq.ErrUnread] if messages were
// not read.
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
	return s.Close() // reports it if another Close was faster than the readers
}

// Close ends the stream immediately: it takes no more messages and closes
// Messages. Messages that were taken but not read are kept for [Stream.Unread];
// if there are any, the error matches [mq.ErrUnread]. Close may be called more
// than once, also by the goroutine that reads.
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
		Detail: fmt.Sprintf("%d messages were taken from the queue but not read; Unread returns them", len(s.unread))}
}

// Unread returns the messages, oldest first, that were taken but not read when
// the stream was closed, and forgets them. Before Close it returns nil.
func (s *Stream) Unread() []mq.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	unread := s.unread
	s.unread = nil
	return unread
}

// deliver puts messages into the channel, or, if Close comes first, adds them
// to the unread.
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

// await puts m into the channel when it has room, unless Close comes first.
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

// keep adds messages that were never in the channel to the unread.
func (s *Stream) keep(messages []mq.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keepUnread() // they are older
	s.unread = append(s.unread, messages...)
}

// keepUnread moves the messages in the channel to the unread.
func (s *Stream) keepUnread() { s.unread = append(s.unread, reader.Drain(s.messages)...) }

func (s *Stream) ended(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	close(s.messages)
}
