package follow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"ipcmq/internal/handle"
	"ipcmq/mq"
)

// DefaultEvery is the default of Config.Every.
const DefaultEvery = 100 * time.Millisecond

// Config configures how a queue is followed. The zero value, like a nil *Config,
// means the defaults.
type Config struct {
	// Every is the longest interval between tries to open a queue that is gone: it
	// begins with a millisecond and doubles each time. It is also the interval of
	// checks whether a queue has been unlinked, for queues that continue to exist
	// without a name, like POSIX queues. 0 means [DefaultEvery].
	Every time.Duration

	// Changed, if not nil, is called with what happens to the queue, one event after
	// the other. It should return soon, since a call on the queue waits for it, and
	// must not use the queue.
	Changed func(Event)

	// Logger, if not nil, logs the same: at level Warn that the queue is gone, and
	// why another could not be opened; at Info that one was opened again.
	Logger *slog.Logger
}

// An Event is what has happened to a queue.
type Event struct {
	// Err is nil if the queue was opened again, matches [mq.ErrRemoved] if it is
	// gone, and otherwise says why it could not be opened. There are no events
	// if the reason is fs.ErrNotExist, or the same as before.
	Err error

	// Queue is the name of the queue that is gone or was opened, from its String
	// method. It is empty while there is none.
	Queue string
}

// A Queue is a handle on whichever queue currently has a key or name. Its
// methods may be called by several goroutines at once.
type Queue struct {
	receiver // of any type

	open    func() (mq.Exchange, error)
	every   time.Duration
	changed func(Event)
	logger  *slog.Logger // nil is silent
	closing chan struct{}
	turn    chan struct{} // the goroutine that has sent to it opens the queue

	mu       sync.Mutex
	now      *opened
	closed   bool
	receives bool      // whether a receive was ever called
	before   []*opened // unlinked, and perhaps not empty; the oldest first
	lost     *Event    // that now is gone, until it is reported
	problem  string    // why there is no other, if reported

	// Only used with the turn.
	pause time.Duration
	next  time.Time // of the next try
}

// An opened is a queue that was opened, and may be gone.
type opened struct {
	queue       mq.Exchange
	seesRemoval bool // its calls fail when it is removed
	since       time.Time

	// Guarded by the lock of the Queue.
	gone   bool
	looked time.Time // when it last had its name, unless it sees its removal
}

// Open opens a queue with open, which is called again whenever the queue is gone.
// It should open the same queue each time, by its key or name: an id names one
// queue only, and sysv.Private a new one each time. A nil cfg means the defaults;
// see [Config].
//
// If the first open fails, so does Open, with the same error.
func Open[Q mq.Exchange](open func() (Q, error), cfg *Config) (*Queue, error) {
	if cfg == nil {
		cfg = &Config{}
	}
	if cfg.Every < 0 {
		return nil, &mq.Error{Op: "follow", Kind: mq.ErrInvalidConfig, Detail: fmt.Sprintf("Every = %v is negative; 0 means %v", cfg.Every, DefaultEvery)}
	}
	q := &Queue{every: cfg.Every, changed: cfg.Changed, logger: cfg.Logger, closing: make(chan struct{}), turn: make(chan struct{}, 1)}
	if q.every == 0 {
		q.every = DefaultEvery
	}
	q.open = func() (mq.Exchange, error) {
		opened, err := open()
		if err != nil { // otherwise a nil pointer would become a non-nil interface
			return nil, err
		}
		return opened, nil
	}
	q.receiver = receiver{q: q, selector: mq.Any()}
	first, err := q.open()
	if err != nil {
		return nil, err
	}
	q.now = newOpened(first)
	return q, nil
}

func newOpened(q mq.Exchange) *opened {
	now := time.Now()
	return &opened{queue: q, seesRemoval: q.Capabilities().SeesRemoval, since: now, looked: now}
}

// Current returns the handle that is in use now, for methods that this package
// does not have. It is closed when its queue is gone and there is another one.
func (q *Queue) Current() mq.Exchange {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.now.queue
}

// String returns the name of the current queue, or of the last one.
func (q *Queue) String() string { return nameOf(q.Current()) }

func nameOf(q mq.Queue) string {
	if s, ok := q.(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprintf("%T", q)
}

// Capabilities returns those of the current queue, or of the last one, except
// that SeesRemoval is false.
func (q *Queue) Capabilities() mq.Capabilities {
	can := q.Current().Capabilities()
	can.SeesRemoval = false
	return can
}

// Check returns nil, or [mq.ErrClosed] if q was closed: a queue that is gone may
// come back.
func (q *Queue) Check() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return q.fail("check", mq.ErrClosed, nil)
	}
	return nil
}

// fail returns an error about the current queue. The lock is held.
func (q *Queue) fail(op string, kind, err error) *mq.Error {
	return &mq.Error{Op: op, Queue: nameOf(q.now.queue), Kind: kind, Err: err}
}

// Close gives up the handle. See [mq.Queue].
func (q *Queue) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil
	}
	q.closed = true
	close(q.closing)
	err := q.now.queue.Close()
	for _, old := range q.before {
		err = errors.Join(err, old.queue.Close())
	}
	q.before = nil
	return err
}

// NewInbox creates an inbox with the current queue, or the last one. The inbox
// continues to exist when that queue is gone.
func (q *Queue) NewInbox() (mq.Inbox, error) { return q.Current().NewInbox() }

// OpenInbox opens an inbox with the current queue, or the last one.
func (q *Queue) OpenInbox(address string) (mq.SendCloser, error) {
	return q.Current().OpenInbox(address)
}

// Usage returns how full the queue is. If it is gone, the error matches
// [mq.ErrRemoved]; it matches errors.ErrUnsupported if the queue is not an
// [mq.Meter].
func (q *Queue) Usage() (mq.Usage, error) {
	if m, ok := mq.As[mq.Meter](q.Current()); ok {
		return m.Usage()
	}
	return mq.Usage{}, &mq.Error{Op: "usage", Queue: q.String(), Kind: errors.ErrUnsupported}
}

// Clock reads the clock of the queue. See [mq.Clocked].
func (q *Queue) Clock(ctx context.Context) (mq.ClockTime, error) {
	if c, ok := mq.As[mq.Clocked](q.Current()); ok {
		return c.Clock(ctx)
	}
	return mq.ClockTime{}, &mq.Error{Op: "clock", Queue: q.String(), Kind: errors.ErrUnsupported}
}

var (
	_ mq.Exchange = (*Queue)(nil)
	_ mq.Checker  = (*Queue)(nil)
	_ mq.Meter    = (*Queue)(nil)
	_ mq.Clocked  = (*Queue)(nil)
)

// ended returns the error of a call that ctx or Close has ended while there was
// no queue.
func (q *Queue) ended(op string, ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return q.fail(op, mq.ErrClosed, nil)
	}
	return handle.Waited(handle.Ended(op, nameOf(q.now.queue), ctx), q.why())
}

// why says why there is no queue. The lock is held.
func (q *Queue) why() string {
	switch {
	case !q.now.gone:
		return ""
	case q.problem != "":
		return "the queue is gone, and another cannot be opened: " + q.problem
	}
	return "the queue is gone, and nobody has created it again"
}
