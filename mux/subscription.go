package mux

import (
	"fmt"
	"sync/atomic"
	"time"

	"ipcmq/mq"
)

// The defaults of SubscribeConfig.Buffer. The channel takes 48 bytes for each
// message, so if a mux has many subscriptions, those after the first ones have
// smaller channels.
const (
	DefaultBuffer     = 512 // of the first 64 that a mux has at a time
	DefaultBufferMany = 128 // of the others
)

const manySubscriptions = 64

// Overflow says what happens to a message whose subscription has no room.
type Overflow uint8

// What can happen to a message whose subscription has no room.
const (
	// Block: the reader waits for room and takes nothing meanwhile, so that
	// messages wait in the queue. Other subscriptions of the same reader wait
	// too.
	Block Overflow = iota

	// DropNewest: the message is dropped, for this subscription only.
	DropNewest

	// DropOldest: the oldest message in the channel makes room.
	DropOldest
)

// SubscribeConfig configures a subscription. With the zero value, as with a nil
// *SubscribeConfig, it gets every message that it selects and blocks the reader
// when it is full.
type SubscribeConfig struct {
	// Buffer is the number of messages that the channel holds, 1 or more; 0
	// means DefaultBuffer, or DefaultBufferMany. A larger one makes a
	// subscription faster while messages come faster than they can be taken: a
	// reader then gathers up to this many, at most 1,024 or 64 KiB, before it
	// passes them on and wakes the subscriber.
	Buffer int

	// Overflow says what happens when the channel is full.
	Overflow Overflow

	// Limit, if not 0, ends the subscription after that many messages;
	// later ones stay in the queue.
	Limit int

	// Unclaimed restricts the subscription to messages that no other one
	// selects.
	Unclaimed bool

	// OnSlow, if not nil, is called in a separate goroutine each time the
	// subscription begins to be too slow: a message waited or was dropped, but
	// the one before had room. It is not called while an earlier call runs.
	OnSlow func(*Subscription)
}

// check returns cfg, with nil filled in.
func (cfg *SubscribeConfig) check(op string) (SubscribeConfig, error) {
	var c SubscribeConfig
	if cfg != nil {
		c = *cfg
	}
	switch {
	case c.Buffer < 0:
		return c, invalid(op, "Buffer = %d is negative; 0 means the default of %d, or %d if there are many subscriptions", c.Buffer, DefaultBuffer, DefaultBufferMany)
	case c.Overflow > DropOldest:
		return c, invalid(op, "Overflow = %d is not Block, DropNewest or DropOldest", c.Overflow)
	case c.Limit < 0:
		return c, invalid(op, "Limit = %d is negative; 0 means no limit", c.Limit)
	}
	return c, nil
}

func invalid(op, format string, args ...any) error {
	return &mq.Error{Op: op, Kind: mq.ErrInvalidConfig, Detail: fmt.Sprintf(format, args...)}
}

// A Subscription is a selector and the channel with the messages that it
// selects. Its methods may be called by several goroutines at once.
type Subscription struct {
	mux      *Mux
	selector mq.Selector
	cfg      SubscribeConfig
	box      mailbox
	warned   atomic.Bool // a call of OnSlow runs
}

func newSubscription(m *Mux, s mq.Selector, c SubscribeConfig) *Subscription {
	switch {
	case c.Buffer == 0 && len(m.subscriptions) < manySubscriptions:
		c.Buffer = DefaultBuffer
	case c.Buffer == 0:
		c.Buffer = DefaultBufferMany
	}
	sub := &Subscription{mux: m, selector: s, cfg: c}
	sub.box = mailbox{
		messages: make(chan mq.Message, c.Buffer),
		overflow: c.Overflow,
		limit:    c.Limit,
		warn:     sub.warn,
		abort:    make(chan struct{}),
		done:     make(chan struct{}),
	}
	return sub
}

// warn calls OnSlow, unless an earlier call runs.
func (s *Subscription) warn() {
	if s.cfg.OnSlow != nil && !s.warned.Swap(true) {
		go func() {
			defer s.warned.Store(false)
			s.cfg.OnSlow(s)
		}()
	}
}

// SubscriptionStats is a snapshot of what a subscription has done.
type SubscriptionStats struct {
	Delivered uint64        // messages put into the channel
	Bytes     uint64        // bytes of payload in them
	Dropped   uint64        // messages dropped because there was no room
	Blocked   time.Duration // time that readers waited for room
	Buffered  int           // messages in the channel now
}

// Messages returns the channel of the subscription; it is the same each time.
// It is closed when the subscription has ended.
func (s *Subscription) Messages() <-chan mq.Message { return s.box.messages }

// Selector returns what the subscription selects.
func (s *Subscription) Selector() mq.Selector { return s.selector }

// Done returns a channel that is closed when the subscription has ended,
// together with Messages.
func (s *Subscription) Done() <-chan struct{} { return s.box.done }

// Stats returns a snapshot of the subscription's counters.
func (s *Subscription) Stats() SubscriptionStats {
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	st := s.box.stats
	st.Buffered = len(s.box.messages)
	return st
}

// Drain ends the subscription gracefully and returns immediately: no more
// messages are taken for it, and Messages is closed after those already taken.
func (s *Subscription) Drain() { s.mux.end(s, false) }

// Unsubscribe ends the subscription immediately: no more messages are taken for
// it, and Messages is closed. Messages that were taken for it but not read are
// kept for [Subscription.Unread]; if there are any, the error matches
// [mq.ErrUnread]. Unsubscribe may be called more than once, also by the
// goroutine that reads.
func (s *Subscription) Unsubscribe() error {
	s.mux.end(s, true)
	<-s.box.done
	n := s.box.keepAll()
	if n == 0 {
		return nil
	}
	return &mq.Error{Op: "unsubscribe", Queue: s.selector.String(), Kind: mq.ErrUnread,
		Detail: fmt.Sprintf("%d messages were taken from the queue but not read; Unread returns them", n)}
}

// Unread returns the messages, oldest first, that were taken for the
// subscription but not read when Unsubscribe or [Mux.Close] ended it, and
// forgets them.
func (s *Subscription) Unread() []mq.Message { return s.box.takeUnread() }
