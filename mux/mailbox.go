package mux

import (
	"slices"
	"sync"
	"time"

	"ipcmq/internal/reader"
	"ipcmq/mq"
)

// A mailbox is what a subscription has got: a channel, what waits for room in
// it, and what nobody had read at the end.
//
// It is open, then it has left: it gets no more but from lanes that may have
// something for it alone. When they have passed, and nothing is late, it is
// closed. If it was aborted, what it gets is kept for Unread.
type mailbox struct {
	messages chan mq.Message
	overflow Overflow
	limit    int           // 0 if it has none
	warn     func()        // called when it begins to be too slow
	abort    chan struct{} // closed when nobody may wait for room any more
	done     chan struct{} // closed with messages

	mu      sync.Mutex // taken after that of the mux
	left    bool       // written under that of the mux, too
	from    []*lane    // those that may have something for it after it has left
	aborted bool
	closed  bool
	got     int         // how many messages it has, or had
	late    []*delivery // those of them that lanes have, as there is no room
	slow    bool
	unread  []mq.Message
	stats   SubscriptionStats
}

// A delivery is a message that a lane has for a subscription without room.
type delivery struct {
	from    *lane
	to      *Subscription
	m       mq.Message
	since   time.Time // when there was no room
	awaited bool      // the lane waits for room, and not for another one's
	unread  bool      // it is with the unread: nothing to wait for
}

// An answer is what a mailbox says to a message.
type answer uint8

const (
	refused  answer = iota // it does not want it
	accepted               // it has it, or has dropped it as its Overflow says
	late                   // it has no room; the lane is to call await
)

// put gives m to the mailbox without waiting. If there is no room, it makes d
// what await needs. It also reports whether m was the last one wanted.
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
	case len(b.late) == 0 && b.send(m): // otherwise it is behind those
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
		for !b.send(m) { // who reads the channel only makes more room
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
// returns how many. It takes none if there is more to be thought of, as put does.
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

// wants is the same, for others than itself.
func (b *mailbox) wants(l *lane) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.takesFrom(l)
}

// isFull reports whether the mailbox has got as many messages as it may.
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
// reports whether the mailbox has left, and may be waiting to be closed.
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

// leave makes the mailbox want no more but what these lanes may have for it.
func (b *mailbox) leave(from []*lane) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left, b.from = true, from
}

// pass tells a mailbox that has left that l has nothing for it any more.
func (b *mailbox) pass(l *lane) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.from = slices.DeleteFunc(b.from, func(other *lane) bool { return other == l })
}

// keepAll aborts a mailbox that has left: what nobody has read, and what comes
// yet, is kept for Unread. It returns how much is.
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

// keepUnread moves what is in the channel to the unread.
func (b *mailbox) keepUnread() { b.unread = append(b.unread, reader.Drain(b.messages)...) }

// keepLate moves what is late to the unread: its lanes may wait for another
// mailbox before they come to it. One that waits for this one comes to the rest
// soon, and what it waits with is older.
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

// takeUnread returns what is kept, and forgets it.
func (b *mailbox) takeUnread() []mq.Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	unread := b.unread
	b.unread = nil
	return unread
}

// isRead reports whether nothing is left in a mailbox that is closed.
func (b *mailbox) isRead() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.messages)+len(b.unread) == 0
}

// close closes the channel of a mailbox that has left, unless there may be
// something for it, and reports whether it did.
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
