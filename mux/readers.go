package mux

import (
	"bytes"
	"iter"
	"slices"
	"time"

	"ipcmq/internal/reader"
	"ipcmq/mq"
)

// A selectorReader takes the messages of one selector from the queue and gives
// each to every subscription that selects it.
//
// No two readers that run at the same time take the same type: a reader that is
// to be replaced ends first, with what it has in hand delivered. So each type
// keeps its order. A subscription to several types may get messages of several
// readers at once, where those that it replaces are about to stop.
type selectorReader struct {
	mux      *Mux
	selector mq.Selector
	reader   *reader.Reader
	stopping bool // it delivers what it has, and perhaps one message more
	settled  bool // what it has in hand was offered to every subscription
	over     bool // it has ended
	uniform  bool // the next messages are for the targets of the latest, too
	gathers  bool // it may have several messages in hand, or take them

	targets        []*Subscription // of the latest message
	waiting, spare []*delivery     // memory for deliver
}

// A demand is what open subscriptions with one selector want.
type demand struct {
	receiver  mq.Receiver
	open      int // how many they are
	unlimited int // how many of them have no Limit
}

// A delivery is a message that a reader has for a subscription without room.
type delivery struct {
	from    *selectorReader
	to      *Subscription
	m       mq.Message
	since   time.Time // when there was no room
	awaited bool      // the reader waits for room, and not for another one's
	unread  bool      // it is with the unread: nothing to wait for
}

// reconcile stops the readers that are no longer wanted and starts those that
// are, except where one that is still stopping takes the same types: its end
// calls reconcile again. It looks at all of them, unless it is told which demands
// have changed, these are of single types, and there are no others: then each
// has its own reader, and there may be thousands.
func (m *Mux) reconcile(changed ...mq.Selector) {
	isWide := func(s mq.Selector) bool { return s.Kind() != mq.SelectType }
	if len(changed) > 0 && m.wideWanted == 0 && len(m.wideReaders) == 0 && !slices.ContainsFunc(changed, isWide) {
		for _, s := range changed {
			m.reconcileOne(s, m.wanted[s] != nil)
		}
		return
	}
	want := cover(m.wanted)
	for s := range m.readers {
		m.reconcileOne(s, want[s])
	}
	for s := range want {
		m.reconcileOne(s, true)
	}
}

func (m *Mux) reconcileOne(s mq.Selector, want bool) {
	r := m.readers[s]
	switch {
	case r == nil && want && !m.stoppingOverlaps(s):
		m.start(s)
	case r != nil && !r.stopping && (!want || r.gathers && !m.isUnlimited(s)):
		// One that gathers may have more in hand than those want that are left
		// if they all have a Limit.
		r.stopping = true
		m.stopping++
		r.reader.Stop()
	}
}

// isUnlimited reports whether somebody wants all that s selects, without end.
func (m *Mux) isUnlimited(s mq.Selector) bool {
	d := m.wanted[s]
	return d != nil && d.unlimited > 0
}

// stoppingOverlaps reports whether a reader that is about to stop takes types
// that s selects.
func (m *Mux) stoppingOverlaps(s mq.Selector) bool {
	for range m.stoppingThat(s) {
		return true
	}
	return false
}

// stoppingThat returns an iterator over the readers that are about to stop and
// take types that s selects.
func (m *Mux) stoppingThat(s mq.Selector) iter.Seq[*selectorReader] {
	return func(yield func(*selectorReader) bool) {
		if m.stopping == 0 {
			return
		}
		if s.Kind() != mq.SelectType {
			for _, r := range m.readers {
				if r.stopping && overlap(r.selector, s) && !yield(r) {
					return
				}
			}
			return
		}
		// There may be thousands of these.
		if r := m.readers[s]; r != nil && r.stopping && !yield(r) {
			return
		}
		for _, r := range m.wideReaders {
			if r.stopping && overlap(r.selector, s) && !yield(r) {
				return
			}
		}
	}
}

func (m *Mux) start(s mq.Selector) {
	r := &selectorReader{mux: m, selector: s}
	var receiver mq.Receiver = m.queue // of everything, which covers what is wanted
	if d := m.wanted[s]; d != nil {
		receiver = d.receiver
	}
	m.readers[s] = r
	if s.Kind() != mq.SelectType {
		m.wideReaders = append(m.wideReaders, r)
	}
	r.reader = reader.Start(m.queue, receiver, m.cfg.Spin, reader.Consumer{Room: r.room, Deliver: r.deliver, Ended: r.ended})
}

// room returns how many messages r may take before it delivers them: as many as
// each of its subscriptions has room for, see [reader.Room].
func (r *selectorReader) room() int {
	if !r.uniform || len(r.targets) == 0 {
		return 1
	}
	room := reader.Room(r.targets[0].messages)
	for _, s := range r.targets[1:] {
		room = min(room, reader.Room(s.messages))
	}
	return room
}

// deliver gives messages to every subscription that selects them: first to those
// that have room, then to those that make the reader wait.
func (r *selectorReader) deliver(taken []mq.Message) {
	r.spare, r.waiting = append(r.spare, r.waiting...), r.waiting[:0]
	for len(taken) > 0 {
		r.mux.route(r, taken[0].Type, len(taken) > 1)
		n := 0
		if r.uniform && len(r.targets) == 1 {
			n = r.targets[0].offerAll(taken)
		}
		if n == 0 && r.offer(taken[0]) {
			n = 1
		}
		taken = taken[n:]
	}
	if len(r.waiting) == 0 {
		return
	}
	r.mux.settle(r, true)
	for _, d := range r.waiting {
		last, ending := d.to.await(d)
		if last {
			r.mux.end(d.to, draining)
		}
		if last || ending { // now, since the next may keep r waiting
			r.mux.settle(r, true)
		}
		*d = delivery{from: r}
	}
	r.mux.settle(r, false)
}

// offer gives a message to each of r's targets that has room, and notes the
// others in r.waiting. It reports whether it is done with the message: not if all
// refused it, because subscriptions have changed since they were looked up.
func (r *selectorReader) offer(msg mq.Message) (done bool) {
	if len(r.targets) == 0 {
		// Cannot be, since readers run only while somebody wants all that
		// they take; but if it were, the message must not be lost.
		r.mux.keepOrphan(msg)
		return true
	}
	for i, s := range r.targets {
		m := msg
		if i < len(r.targets)-1 {
			m.Data = bytes.Clone(msg.Data) // each owns what it gets
		}
		if len(r.spare) == 0 {
			r.spare = append(r.spare, &delivery{from: r})
		}
		d := r.spare[len(r.spare)-1]
		v, last := s.offer(m, d)
		if last {
			r.mux.end(s, draining)
		}
		if v == wait {
			r.waiting, r.spare = append(r.waiting, d), r.spare[:len(r.spare)-1]
		}
		done = done || v != refused
	}
	return done
}

// route finds the subscriptions that get a message of type t from r, and whether
// r may gather messages: only if each of them is for all that r takes, since
// nobody should wait for others with messages that r has in hand. Where it has
// more of them it is one that gathers, whatever has changed since: those who left
// it with only some to take would not take all of these.
func (m *Mux) route(r *selectorReader, t int64, more bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	list := append(r.targets[:0], m.byType[t]...)
	for _, s := range m.wide {
		if s.selector.Matches(t) {
			list = append(list, s)
		}
	}
	if len(m.leavers) > 0 {
		list = slices.DeleteFunc(list, func(s *Subscription) bool {
			last, leaves := m.leavers[s]
			return leaves && !slices.Contains(last, r)
		})
	}
	if m.unclaimed > 0 && len(list) > 1 && slices.ContainsFunc(list, (*Subscription).claims) {
		list = slices.DeleteFunc(list, func(s *Subscription) bool { return s.cfg.Unclaimed })
	}
	r.targets, r.uniform = list, m.isUnlimited(r.selector) && m.servesOne(r.selector)
	r.gathers = r.uniform || more
}

// servesOne reports whether s is the selector of every subscription that gets
// messages of a reader for s.
func (m *Mux) servesOne(s mq.Selector) bool {
	if s.Kind() == mq.SelectType {
		return len(m.wide) == 0
	}
	return len(m.byType) == 0 && !slices.ContainsFunc(m.wide, func(other *Subscription) bool { return other.selector != s })
}

// keepOrphan keeps a message for Unread.
func (m *Mux) keepOrphan(msg mq.Message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.orphans = append(m.orphans, msg)
}

// settle notes whether what r has in hand was offered to every subscription:
// those that end need not wait for r then.
func (m *Mux) settle(r *selectorReader, settled bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r.settled = settled
	m.finishLeavers(r)
}

// ended is called when r has taken and delivered its last message.
func (r *selectorReader) ended(err error) {
	m := r.mux
	if err != nil {
		m.finish(draining, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r.over = true
	delete(m.readers, r.selector)
	m.wideReaders = slices.DeleteFunc(m.wideReaders, func(other *selectorReader) bool { return other == r })
	if r.stopping {
		m.stopping--
	}
	m.reconcile(r.selector)
	m.finishLeavers(r)
}

// add makes the readers know a subscription, whose messages come from receiver.
func (m *Mux) add(s *Subscription, receiver mq.Receiver) {
	if s.selector.Kind() == mq.SelectType {
		m.byType[s.selector.Type()] = append(m.byType[s.selector.Type()], s)
	} else {
		m.wide = append(m.wide, s)
	}
	if s.cfg.Unclaimed {
		m.unclaimed++
	}
	d := m.wanted[s.selector]
	if d == nil {
		d = &demand{receiver: receiver}
		m.wanted[s.selector] = d
		if s.selector.Kind() != mq.SelectType {
			m.wideWanted++
		}
	}
	d.open++
	if s.cfg.Limit == 0 {
		d.unlimited++
	}
}

// remove makes the readers forget a subscription.
func (m *Mux) remove(s *Subscription) {
	is := func(other *Subscription) bool { return other == s }
	if t := s.selector.Type(); s.selector.Kind() == mq.SelectType {
		m.byType[t] = slices.DeleteFunc(m.byType[t], is)
		if len(m.byType[t]) == 0 {
			delete(m.byType, t)
		}
	} else {
		m.wide = slices.DeleteFunc(m.wide, is)
	}
	if s.cfg.Unclaimed {
		m.unclaimed--
	}
}
