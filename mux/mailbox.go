package mux

import (
	"slices"
	"sync"
	"time"

	"ipcmq/internal/reader"
	"ipcmq/mq"
)

// A mailbox holds what a subscription has got: a channel, the messages that
// wait for room in it, and those that were not read at the end.
//
// It is first open. After it has left, it gets messages only from lanes that
// may hold some just for it. When these have passed, and no message is late, it
// is closed. If it was aborted, what it gets is kept for Unread.
type mailbox struct {
	messages chan mq.Message
	overflow Overflow
	limit    int           // 0 if it has none
	warn     func()        // called when it begins to be too slow
	abort    chan struct{} // closed when no lane may wait for room any more
	done     chan struct{} // closed with messages

	mu      sync.Mutex // locked after that of the mux
	left    bool       // written under that of the mux, too
	from    []*lane    // that may hold messages for it after it has left
	aborted bool
	closed  bool
	got     int         // how many messages it has, or had
	late    []*delivery // those of them that lanes hold, because there is no room
	slow    bool
	unread  []mq.Message
	stats   SubscriptionStats
}

// A delivery is a message that a lane holds for a subscription without room.
type delivery struct {
	from    *lane
	to      *Subscription
	m       mq.Message
	since   time.Time // when there was no room
	awaited bool      // the lane waits for this delivery, not for another one
	unread  bool      // it was added to the unread: there is nothing to wait for
}

// An answer is how a mailbox reacts to a message.
type answer uint8

const (
	refused  answer = iota // it does not want the message
	accepted               // it has the message, or has dropped it because of its Overflow
	late                   // it has no room; the lane must call await
)

// put gives m to the mailbox without waiting. If there is no room, it sets d
// for await. It also reports whether m was the last one wanted.
func (b *mailbox) put(m mq.Message, d *delivery) (a answer, last bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case !b.takesFrom(d.from):
		return refused, false
	case b.aborted:
		b.unread = append(b.unread, m)
		b.got++
		return accepted, false
	case len(b.late) == 0 && b.send(m): // otherwise it must come after those
		b.slow = false
		return accepted, b.isFull()
	}
	if !b.slow {
		b.slow = true
		b.warn()
	}
	switch b.overflow {
	case DropNewest:
		b.stats.Dropped++
		return accepted, false
	case DropOldest:
		for !b.send(m) { // readers of the channel only make more room
			select {
			case <-b.messages:
				b.stats.Dropped++
			default:
			}
		}
		return accepted, b.isFull()
	}
	d.m, d.since = m, time.Now()
	b.late = append(b.late, d)
	b.got++
	return late, b.isFull()
}

// putAll gives messages of a lane to the mailbox as long as there is room, and
// returns how many. It takes none in the cases that only put handles.
func (b *mailbox) putAll(messages []mq.Message, from *lane) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.takesFrom(from) || b.aborted || b.limit > 0 || len(b.late) > 0 {
		return 0
	}
	for n < len(messages) && b.send(messages[n]) {
		b.slow = false
		n++
	}
	return n
}

// takesFrom reports whether the mailbox wants what l has for it.
func (b *mailbox) takesFrom(l *lane) bool {
	return !b.closed && !b.isFull() && (!b.left || slices.Contains(b.from, l))
}

// wants is takesFrom for callers without the lock.
func (b *mailbox) wants(l *lane) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.takesFrom(l)
}

// isFull reports whether the mailbox has reached its limit.
func (b *mailbox) isFull() bool { return b.limit > 0 && b.got >= b.limit }

// send puts m into the channel if there is room.
func (b *mailbox) send(m mq.Message) bool {
	select {
	case b.messages <- m:
		b.got++
		b.delivered(m)
		return true
	default:
		return false
	}
}

func (b *mailbox) delivered(m mq.Message) {
	b.stats.Delivered++
	b.stats.Bytes += uint64(len(m.Data))
}

// await waits until the channel has room for d, or the mailbox is aborted. It
// reports whether the mailbox has left, and may be ready to be closed.
func (b *mailbox) await(d *delivery) (left bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if d.unread {
		return true
	}
	d.awaited = true
	sent := true
	select {
	case b.messages <- d.m: // it is not closed while d is late
	default:
		b.mu.Unlock()
		select {
		case b.messages <- d.m:
		case <-b.abort:
			sent = false
		}
		b.mu.Lock()
	}
	b.stats.Blocked += time.Since(d.since)
	b.late = slices.DeleteFunc(b.late, func(other *delivery) bool { return other == d })
	if sent {
		b.delivered(d.m)
	}
	if b.aborted {
		b.keepUnread()
		if !sent {
			b.unread = append(b.unread, d.m)
		}
		b.keepLate()
	}
	return b.left
}

// leave makes the mailbox want only what these lanes may hold for it.
func (b *mailbox) leave(from []*lane) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left, b.from = true, from
}

// pass notes that l has nothing more for a mailbox that has left.
func (b *mailbox) pass(l *lane) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.from = slices.DeleteFunc(b.from, func(other *lane) bool { return other == l })
}

// keepAll aborts a mailbox that has left: messages that were not read, and
// those still to come, are kept for Unread. It returns how many there are.
func (b *mailbox) keepAll() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.aborted {
		b.aborted = true
		close(b.abort)
		b.keepUnread()
		b.keepLate()
	}
	return len(b.unread)
}

// keepUnread moves the messages in the channel to the unread.
func (b *mailbox) keepUnread() { b.unread = append(b.unread, reader.Drain(b.messages)...) }

// keepLate moves late messages to the unread: their lanes may wait for another
// mailbox first. A lane that waits for this mailbox handles the rest soon, and
// the message that it waits with is older.
func (b *mailbox) keepLate() {
	var here []*lane
	for _, d := range b.late {
		if d.awaited {
			here = append(here, d.from)
		}
	}
	b.late = slices.DeleteFunc(b.late, func(d *delivery) bool {
		if slices.Contains(here, d.from) {
			return false
		}
		d.unread = true
		b.unread = append(b.unread, d.m)
		return true
	})
}

// takeUnread returns the kept messages, and forgets them.
func (b *mailbox) takeUnread() []mq.Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	unread := b.unread
	b.unread = nil
	return unread
}

// isRead reports whether nothing is left in a closed mailbox.
func (b *mailbox) isRead() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.messages)+len(b.unread) == 0
}

// close closes the channel of a mailbox that has left, unless it may still get
// messages, and reports whether it did.
func (b *mailbox) close() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || !b.left || len(b.from)+len(b.late) > 0 {
		return false
	}
	b.closed = true
	close(b.messages)
	close(b.done)
	return true
}
