package batch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ipcmq/mq"
)

// DefaultSize is the default maximum size of a frame in bytes, unless the queue
// takes less.
const DefaultSize = 8192

// ErrUnsent: messages that were added were not sent. See [Queue.Close].
var ErrUnsent = errors.New("messages were not sent")

// Config configures how a [Queue] gathers messages. The zero value, like a nil
// *Config, means the defaults.
type Config struct {
	// Size is the maximum size of a frame in bytes; 0 means [DefaultSize], or
	// the largest payload of the queue if that is less. A larger message is
	// sent alone.
	Size int

	// MaxAge is how long an added message waits for others before it is sent
	// without Flush. 0 means that it waits for Flush or a full frame.
	MaxAge time.Duration
}

// A Queue sends and receives frames of messages through another queue. All
// methods may be called by several goroutines at once.
type Queue struct {
	receiver     // of any type
	underlying   mq.Queue
	capabilities mq.Capabilities // when New was called: the limits on types and priorities
	out          out
	in           in
	lent         lent
}

var (
	_ mq.Queue       = (*Queue)(nil)
	_ mq.BatchSender = (*Queue)(nil)
)

// New returns a queue that sends and receives through q. A nil cfg means the
// defaults; see [Config]. Closing it closes q.
//
// The error matches [mq.ErrInvalidConfig].
func New(q mq.Queue, cfg *Config) (*Queue, error) {
	if cfg == nil {
		cfg = &Config{}
	}
	c, can := *cfg, q.Capabilities()
	switch least := len(magic) + room(0); {
	case c.Size < 0 || c.Size > 0 && c.Size < least:
		return nil, invalid("Size = %d: the minimum is %d bytes; 0 means the default of %d", c.Size, least, DefaultSize)
	case can.MaxPayload > 0 && c.Size > can.MaxPayload:
		return nil, invalid("Size = %d exceeds the largest payload of the queue, %d bytes; 0 means the largest that fits", c.Size, can.MaxPayload)
	case c.MaxAge < 0:
		return nil, invalid("MaxAge = %v is negative; 0 waits for Flush or a full frame", c.MaxAge)
	case c.Size == 0:
		c.Size = DefaultSize
		if can.MaxPayload > 0 {
			c.Size = min(c.Size, can.MaxPayload)
		}
	}
	b := &Queue{underlying: q, capabilities: can}
	b.receiver = receiver{q: b, from: q, selector: mq.Any()}
	b.in.start()
	b.lent.start()
	b.out.start(c)
	return b, nil
}

func invalid(format string, args ...any) error {
	return &mq.Error{Op: "start batches", Kind: mq.ErrInvalidConfig, Detail: fmt.Sprintf(format, args...)}
}

// String returns the name of the underlying queue, or its Go type if it has
// none.
func (q *Queue) String() string {
	if s, ok := q.underlying.(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprintf("%T", q.underlying)
}

// Capabilities returns those of the underlying queue. A payload of MaxPayload
// bytes is refused if it begins like a frame, since it must be sent in one, which
// is larger. Messages of a frame have no headers.
func (q *Queue) Capabilities() mq.Capabilities {
	can := q.underlying.Capabilities()
	can.Headers = false
	return can
}

// Select returns a receiver of the messages that s selects. See [mq.Queue].
func (q *Queue) Select(s mq.Selector) (mq.Receiver, error) {
	from, err := q.underlying.Select(s)
	if err != nil {
		return nil, err
	}
	return &receiver{q: q, from: from, selector: s}, nil
}

// Shutdown flushes what was added, gives back messages on lease that nobody holds,
// and closes the queue. If the flush fails, or ctx ends first, it closes the queue
// anyway, and Unsent returns the rest.
func (q *Queue) Shutdown(ctx context.Context) error {
	err := q.Flush(ctx)
	q.lent.giveBack(ctx)
	if errors.Is(err, mq.ErrClosed) {
		err = nil // Close reports what is left
	}
	return errors.Join(err, q.Close())
}

// Close closes the underlying queue, and unblocks every call. Messages that
// were added but not sent are kept for [Queue.Unsent], those that were taken
// but not received for [Queue.Unread]; if there are any, the error matches
// [ErrUnsent] or [mq.ErrUnread]. Close may be called more than once.
func (q *Queue) Close() error {
	q.out.close()
	q.in.close()
	q.lent.close()
	err := q.underlying.Close()
	q.lent.settle()
	unsent, unread := q.out.settle(), q.in.settle()
	if unsent > 0 {
		err = errors.Join(err, q.left(ErrUnsent, "%d messages were added but not sent; Unsent returns them", unsent))
	}
	if unread > 0 {
		err = errors.Join(err, q.left(mq.ErrUnread, "%d messages were taken in frames but not received; Unread returns them", unread))
	}
	return err
}

func (q *Queue) left(kind error, format string, n int) error {
	return q.fail("close", kind, fmt.Sprintf(format, n))
}

func (q *Queue) fail(op string, kind error, detail string) *mq.Error {
	return &mq.Error{Op: op, Queue: q.String(), Kind: kind, Detail: detail}
}
