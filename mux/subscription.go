package mux

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ipcmq/internal/reader"
	"ipcmq/mq"
)

// DefaultBuffer is the number of messages that the channel of a subscription
// holds if its config does not say otherwise.
const DefaultBuffer = 128

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

// SubscribeConfig says how a subscription works. The zero value, like a nil
// *SubscribeConfig, gets every message and holds up the reader when it is full.
type SubscribeConfig struct {
	// Buffer is the number of messages that the channel holds, 1 or more; 0
	// means DefaultBuffer. More makes a subscription faster while messages come
	// faster than they can be taken: a reader then gathers up to so many, at
	// most 1,024 or 64 KiB, before it hands them over and wakes the subscriber.
	Buffer int

	// Overflow says what happens when the channel is full.
	Overflow Overflow

	// Limit, if not 0, ends the subscription after that many messages; what
	// comes after them stays in the queue.
	Limit int

	// Unclaimed restricts the subscription to messages that no other one
	// selects.
	Unclaimed bool

	// OnSlow, if not nil, is called in a goroutine of its own each time the
	// subscription begins to be too slow: a message waited or was dropped, and
	// the one before had room. It is not called while an earlier call runs.
	OnSlow func(*Subscription)
}

// check returns cfg with its defaults filled in.
func (cfg *SubscribeConfig) check(op string) (SubscribeConfig, error) {
	var c SubscribeConfig
	if cfg != nil {
		c = *cfg
	}
	switch {
	case c.Buffer < 0:
		return c, invalid(op, "Buffer = %d is negative; 0 is the default of %d", c.Buffer, DefaultBuffer)
	case c.Overflow > DropOldest:
		return c, invalid(op, "Overflow = %d is none of Block, DropNewest and DropOldest", c.Overflow)
	case c.Limit < 0:
		return c, invalid(op, "Limit = %d is negative; 0 is no limit", c.Limit)
	case c.Buffer == 0:
		c.Buffer = DefaultBuffer
	}
	return c, nil
}

func invalid(op, format string, args ...any) error {
	return &mq.Error{Op: op, Kind: mq.ErrInvalidConfig, Detail: fmt.Sprintf(format, args...)}
}

// A Subscription is a selector and the channel with what it selects. Its
// methods may be called by several goroutines at once.
type Subscription struct {
	mux      *Mux
	selector mq.Selector
	cfg      SubscribeConfig
	messages chan mq.Message
	leave    chan struct{} // closed when nobody may wait for room any more
	done     chan struct{} // closed with messages

	mu     sync.Mutex // taken after that of the mux
	state  state
	late   []*delivery // what readers have for it, as it has no room
	slow   bool
	warned atomic.Bool // a call of OnSlow runs
	unread []mq.Message
	kept   int // how many came to the unread without having been in the channel
	stats  SubscriptionStats
}

// The states of a subscription, in order.
type state uint8

const (
	open     state = iota
	draining       // wants no more, but what is taken for it still goes to its channel
	leaving        // what is taken for it goes to the unread
	ended          // its channel is closed, and no reader knows it
)

// SubscriptionStats is a snapshot of what a subscription has done.
type SubscriptionStats struct {
	Delivered uint64        // messages put into the channel
	Bytes     uint64        // bytes of payload in them
	Dropped   uint64        // messages dropped because there was no room
	Blocked   time.Duration // time that readers waited for room
	Buffered  int           // messages in the channel now
}

// Messages returns the channel of the subscription; it is the same one each
// time. It is closed when the subscription has ended.
func (s *Subscription) Messages() <-chan mq.Message { return s.messages }

// Selector returns what the subscription selects.
func (s *Subscription) Selector() mq.Selector { return s.selector }

// Done returns a channel that is closed when the subscription has ended: when
// Messages is closed.
func (s *Subscription) Done() <-chan struct{} { return s.done }

// Stats returns a snapshot of the subscription's counters.
func (s *Subscription) Stats() SubscriptionStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Buffered = len(s.messages)
	return st
}

// Drain ends the subscription gracefully and returns at once: no more messages
// are taken for it, and Messages is closed behind those that are taken already.
func (s *Subscription) Drain() { s.mux.end(s, draining) }

// Unsubscribe ends the subscription at once: no more messages are taken for it,
// and Messages is closed. What was taken for it and not read is kept for
// [Subscription.Unread]; if there is any, the error matches [mq.ErrUnread].
// Unsubscribe may be called more than once, also by the goroutine that reads.
func (s *Subscription) Unsubscribe() error {
	s.mux.end(s, leaving)
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keepUnread() // if it had ended otherwise before
	if len(s.unread) == 0 {
		return nil
	}
	return &mq.Error{Op: "unsubscribe", Queue: s.selector.String(), Kind: mq.ErrUnread,
		Detail: fmt.Sprintf("%d messages were taken from the queue and not read; Unread returns them", len(s.unread))}
}

// Unread returns the messages, oldest first, that were taken for the
// subscription and that nobody had read when Unsubscribe or [Mux.Close] ended
// it, and forgets them.
func (s *Subscription) Unread() []mq.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	unread := s.unread
	s.unread = nil
	return unread
}

// A verdict is the answer of a subscription to a message.
type verdict uint8

const (
	refused  verdict = iota // it does not want the message
	accepted                // the message is with it, or knowingly dropped
	wait                    // it has no room; the reader is to call await
)

// offerAll puts messages into the channel as long as there is room, and returns
// how many. It accepts none if there is more to be thought of, as offer does.
func (s *Subscription) offerAll(messages []mq.Message) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state >= leaving || s.cfg.Limit > 0 || len(s.late) > 0 {
		return 0
	}
	for _, m := range messages {
		select {
		case s.messages <- m:
			s.slow = false
			s.delivered(m)
			n++
		default:
			return n
		}
	}
	return n
}

// offer gives m to the subscription without waiting. If there is no room, it
// makes d what await needs. It also reports whether m was the last one wanted.
func (s *Subscription) offer(m mq.Message, d *delivery) (v verdict, last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == ended || s.full():
		return refused, false
	case s.state == leaving:
		s.keep(m)
		return accepted, false
	}
	if len(s.late) == 0 { // otherwise it is behind those
		select {
		case s.messages <- m:
			s.slow = false
			s.delivered(m)
			return accepted, s.full()
		default:
		}
	}
	if !s.slow {
		s.slow = true
		if s.cfg.OnSlow != nil && !s.warned.Swap(true) {
			go func() {
				defer s.warned.Store(false)
				s.cfg.OnSlow(s)
			}()
		}
	}
	switch s.cfg.Overflow {
	case DropNewest:
		s.stats.Dropped++
		return accepted, false
	case DropOldest:
		for {
			select {
			case <-s.messages:
				s.stats.Dropped++
			default: // read by somebody just now
			}
			select {
			case s.messages <- m: // readers of the channel only make more room
				s.delivered(m)
				return accepted, s.full()
			default:
			}
		}
	}
	d.to, d.m, d.since = s, m, time.Now()
	s.late = append(s.late, d)
	return wait, false
}

// await waits until the channel has room for d, or the subscription ends. It
// reports whether that was the last message wanted, and whether the subscription
// may be waiting for its end.
func (s *Subscription) await(d *delivery) (last, ending bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.unread {
		return false, true
	}
	sent := true
	select {
	case s.messages <- d.m: // finish does not close it while d is late
	default:
		d.awaited = true
		s.mu.Unlock()
		select {
		case s.messages <- d.m:
		case <-s.leave:
			sent = false
		}
		s.mu.Lock()
	}
	s.stats.Blocked += time.Since(d.since)
	if s.late[0] == d { // each reader awaits its own in order
		s.late = s.late[1:]
	} else {
		s.late = slices.DeleteFunc(s.late, func(other *delivery) bool { return other == d })
	}
	if sent {
		s.delivered(d.m)
	}
	if s.state == leaving {
		s.keepUnread()
		if !sent {
			s.keep(d.m)
		}
		s.keepLate()
	}
	return s.full(), s.state != open
}

func (s *Subscription) delivered(m mq.Message) {
	s.stats.Delivered++
	s.stats.Bytes += uint64(len(m.Data))
}

// full reports whether the subscription has got all the messages it wanted, or
// will get them from readers that wait.
func (s *Subscription) full() bool {
	return s.cfg.Limit > 0 && s.stats.Delivered+uint64(len(s.late)+s.kept) >= uint64(s.cfg.Limit)
}

// claims reports whether the subscription keeps what it wants from those to
// unclaimed messages.
func (s *Subscription) claims() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.cfg.Unclaimed && !s.full()
}

// isRead reports whether nothing is left of an ended subscription.
func (s *Subscription) isRead() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.messages)+len(s.unread) == 0
}

func (s *Subscription) isOpen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == open
}

// keep adds a message that never was in the channel to the unread.
func (s *Subscription) keep(m mq.Message) {
	s.unread = append(s.unread, m)
	s.kept++
}

// keepUnread moves what is in the channel to the unread.
func (s *Subscription) keepUnread() { s.unread = append(s.unread, reader.Drain(s.messages)...) }

// advance brings the subscription to a later state.
func (s *Subscription) advance(to state) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if to <= s.state {
		return
	}
	s.state = to
	if to != leaving {
		return
	}
	close(s.leave)
	s.keepUnread()
	s.keepLate()
}

// keepLate adds what readers have for the subscription to the unread: they may
// wait for another one before they come to it. One that waits for this one comes
// to the rest soon, and what it waits with is older.
func (s *Subscription) keepLate() {
	var waiting []*selectorReader
	for _, d := range s.late {
		if d.awaited {
			waiting = append(waiting, d.from)
		}
	}
	s.late = slices.DeleteFunc(s.late, func(d *delivery) bool {
		if slices.Contains(waiting, d.from) {
			return false
		}
		d.unread = true
		s.keep(d.m)
		return true
	})
}

// finish closes the channel, unless a reader has something to put into it.
func (s *Subscription) finish() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.late) > 0 || s.state == ended {
		return false
	}
	s.state = ended
	close(s.messages)
	close(s.done)
	return true
}
