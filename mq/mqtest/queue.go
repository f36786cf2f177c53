package mqtest

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ipcmq/mq"
)

// Config configures an in-memory queue. The zero value, like a nil *Config, has
// the defaults of System V queues.
type Config struct {
	// Name names the queue in errors; "" means "memory queue N", N counting
	// from 1.
	Name string

	// Capacity is the maximum number of bytes of payload in the queue, and
	// also of messages; 0 means 16384.
	Capacity int

	// MaxMessage is the maximum number of bytes of payload in one message;
	// 0 means 8192.
	MaxMessage int

	// Lease is how long a message is lent, for [Queue.SelectLeases]. 0 means
	// that the queue does not lend.
	Lease time.Duration
}

// A Queue is a handle on an in-memory queue that behaves like a System V queue:
// messages have types, every selector works, a message waits for room in the
// queue even if a receiver waits for just that message, and a queue can be
// removed while it is in use. Its methods may be called by several goroutines at
// once.
//
// Calls wait on channels: inside a bubble of testing/synctest, all calls block
// durably, so the clock of the bubble advances. The queue itself may come from
// outside of the bubble.
//
// Waiting calls are served in the order in which they came; as in the kernel, a
// sender whose message does not fit yet is passed over.
//
// With Config.Lease it also lends messages, like a queue on a server; leases run
// out by the clock of the bubble too.
type Queue struct {
	receiver // of any type
	box      *box
	closed   bool // guarded by box.mu
}

var _ mq.Queue = (*Queue)(nil)

// A box is what all handles on a queue share.
type box struct {
	name                 string
	capacity, maxMessage int
	lease                time.Duration // 0: lends nothing

	mu        sync.Mutex
	messages  []stored          // that are not lent, the oldest first
	leases    map[uint64]*lease // of those that are lent, by their sequence
	bytes     int               // of both
	sequence  uint64            // of the last message that was sent
	receivers []*waiter         // the one that has waited longest first
	senders   []*waiter
	removed   bool
}

// A stored is a message in the queue.
type stored struct {
	mq.Message
	sequence uint64
	attempt  int // how many times it was lent
}

// A waiter is one blocked call.
type waiter struct {
	by       *Queue
	selector mq.Selector // what a receiver waits for
	lends    bool        // a receiver waits for a lease
	message  mq.Message  // what a sender waits with, or a receiver was given
	lease    *lease      // what a receiver was lent
	err      error
	answered chan struct{} // closed after message, lease and err are set
}

var made atomic.Int64

// New creates an empty queue and opens a handle on it. A nil cfg means the
// defaults; see [Config]. New panics if a number in cfg is negative.
func New(cfg *Config) *Queue {
	if cfg == nil {
		cfg = &Config{}
	}
	c := *cfg
	if c.Capacity < 0 || c.MaxMessage < 0 || c.Lease < 0 {
		panic(fmt.Sprintf("mqtest: negative number in %+v", c))
	}
	if c.Name == "" {
		c.Name = fmt.Sprintf("memory queue %d", made.Add(1))
	}
	if c.Capacity == 0 {
		c.Capacity = 16384
	}
	if c.MaxMessage == 0 {
		c.MaxMessage = 8192
	}
	return (&box{name: c.Name, capacity: c.Capacity, maxMessage: c.MaxMessage, lease: c.Lease}).open()
}

func (b *box) open() *Queue {
	q := &Queue{box: b}
	q.receiver = receiver{q: q, selector: mq.Any()}
	return q
}

// Open opens another handle on the queue, like another process. It also works
// on a closed handle.
func (q *Queue) Open() *Queue { return q.box.open() }

// String returns the name of the queue.
func (q *Queue) String() string { return q.box.name }

// Close unblocks every call that is blocked on this handle; they and all later
// calls fail with [mq.ErrClosed]. The queue stays, for other handles. Close
// always returns nil and may be called more than once.
func (q *Queue) Close() error {
	b := q.box
	b.mu.Lock()
	defer b.mu.Unlock()
	q.closed = true
	mine := func(w *waiter) bool { return w.by == q }
	b.dismiss(mine, mq.ErrClosed)
	return nil
}

// Remove removes the queue with its messages, for all handles: calls that are
// blocked, and all later ones, fail with [mq.ErrRemoved].
func (q *Queue) Remove() error {
	b := q.box
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := q.usable("remove"); err != nil {
		return err
	}
	b.removed = true
	for _, l := range b.leases {
		l.timer.Stop()
	}
	b.messages, b.leases, b.bytes = nil, nil, 0
	all := func(*waiter) bool { return true }
	b.dismiss(all, mq.ErrRemoved)
	return nil
}

// dismiss fails the blocked calls that which chooses.
func (b *box) dismiss(which func(*waiter) bool, kind error) {
	refuse := func(op string) func(*waiter) bool {
		return func(w *waiter) bool {
			if !which(w) {
				return false
			}
			op := op
			if w.lends {
				op = "lease"
			}
			w.err = &mq.Error{Op: op, Queue: b.name, Kind: kind}
			close(w.answered)
			return true
		}
	}
	b.receivers = slices.DeleteFunc(b.receivers, refuse("receive"))
	b.senders = slices.DeleteFunc(b.senders, refuse("send"))
}

// Stat is the state of an in-memory queue.
type Stat struct {
	Messages  int // messages waiting
	Leased    int // messages lent, or given back with a delay that is not over
	Bytes     int // bytes of payload of both
	Receivers int // calls that wait for a message, on all handles
	Senders   int // calls that wait for room, on all handles
}

// Stat returns the state of the queue; it also works when the handle is closed
// or the queue removed.
func (q *Queue) Stat() Stat {
	b := q.box
	b.mu.Lock()
	defer b.mu.Unlock()
	return Stat{len(b.messages), len(b.leases), b.bytes, len(b.receivers), len(b.senders)}
}

// Usage returns how full the queue is, including lent messages.
func (q *Queue) Usage() (mq.Usage, error) {
	s, most := q.Stat(), int64(q.box.capacity)
	return mq.Usage{Messages: int64(s.Messages + s.Leased), MaxMessages: most, Bytes: int64(s.Bytes), MaxBytes: most}, nil
}

// Capabilities returns those of a System V queue, with the limits of the
// Config.
func (q *Queue) Capabilities() mq.Capabilities {
	return mq.Capabilities{
		MaxType:     math.MaxInt64,
		MaxPayload:  min(q.box.maxMessage, q.box.capacity),
		Selectors:   []mq.SelectorKind{mq.SelectAny, mq.SelectType, mq.SelectUpTo, mq.SelectExcept},
		SeesRemoval: true,
	}
}

// usable returns an error if q was closed or the queue is removed. The lock is
// held.
func (q *Queue) usable(op string) error {
	switch {
	case q.closed:
		return &mq.Error{Op: op, Queue: q.box.name, Kind: mq.ErrClosed}
	case q.box.removed:
		return &mq.Error{Op: op, Queue: q.box.name, Kind: mq.ErrRemoved}
	}
	return nil
}
