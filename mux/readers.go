package mux

import (
	"bytes"
	"iter"
	"slices"

	"ipcmq/internal/reader"
	"ipcmq/mq"
)

// A selectorReader takes the messages of one selector from the queue and gives
// each to every subscription that selects it.
//
// No two readers that run at the same time take the same type: a reader that is
// to be replaced ends first, with what it has in hand delivered. So each type
// keeps its order, and at any time one reader at most knows a subscription.
type selectorReader struct {
	mux      *Mux
	selector mq.Selector
	reader   *reader.Reader
	stopping bool // it takes perhaps one more message, and delivers what it has
	settled  bool // what it has in hand was offered to every subscription
	over     bool // it has ended
	gathers  bool // it may take several messages before it delivers them

	// Memory for deliver.
	targets        []*Subscription
	waiting, spare []*delivery
}

// A delivery is a message that a reader has for a subscription without room.
type delivery struct {
	from    *selectorReader
	to      *Subscription
	m       mq.Message
	awaited bool // the reader waits for room, and not for another one's
	unread  bool // it is with the unread: nothing to wait for
}

// reconcile stops the readers that are no longer wanted and starts those that
// are, except where one that is still stopping takes the same types: its end
// calls reconcile again.
func (m *Mux) reconcile() {
	want := cover(m.wanted)
	for s, r := range m.readers {
		// One that gathers may have more in hand than those want that are left if
		// they all have a Limit.
		if (!want[s] || r.gathers && m.unlimited[s] == 0) && !r.stopping {
			r.stopping = true
			m.stopping++
			r.reader.Stop()
		}
	}
	for s := range want {
		if m.readers[s] == nil && !m.stoppingOverlaps(s) {
			m.start(s)
		}
	}
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
	r := &selectorReader{mux: m, selector: s, gathers: m.unlimited[s] > 0}
	receiver, err := m.queue.Select(s)
	if err != nil { // cannot be: subscribe has tried, and every queue has Any
		panic("mux: " + err.Error())
	}
	m.readers[s] = r
	if s.Kind() != mq.SelectType {
		m.wideReaders = append(m.wideReaders, r)
	}
	r.reader = reader.Start(receiver, m.cfg.Spin, r.deliver, r.ended)
}

// deliver gives messages to every subscription that selects them: first to those
// that have room, then to those that make the reader wait.
func (r *selectorReader) deliver(taken []mq.Message) (ahead int) {
	r.spare, r.waiting = append(r.spare, r.waiting...), r.waiting[:0]
	for i, msg := range taken {
		limit := r.offer(msg)
		if i == 0 {
			ahead = limit
		}
	}
	if len(r.waiting) == 0 {
		return ahead
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
	return ahead
}

// offer gives a message to every subscription that selects it and has room, and
// appends the others to r.waiting. It returns how many messages to gather now,
// see [reader.Ahead].
func (r *selectorReader) offer(msg mq.Message) (ahead int) {
	for taken := false; !taken; {
		var mayGather bool
		r.targets, mayGather = r.mux.targets(r, msg.Type, r.targets[:0])
		if len(r.targets) == 0 {
			// Cannot be, since readers run only while somebody wants all that
			// they take; but if it were, the message must not be lost.
			r.mux.keepOrphan(msg)
			return 1
		}
		for i, s := range r.targets {
			m := msg
			if i < len(r.targets)-1 {
				m.Data = bytes.Clone(msg.Data) // each owns what it gets
			}
			if mayGather && s.selector == r.selector {
				ahead = max(ahead, reader.Ahead(len(s.messages), cap(s.messages)))
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
			taken = taken || v != refused
		}
		// Refused by all: subscriptions have changed since they were looked up.
	}
	return ahead
}

// targets appends to list the subscriptions that get a message of type t from r.
// It also reports whether r may gather messages: not if some are dropped only
// because they come together.
func (m *Mux) targets(r *selectorReader, t int64, list []*Subscription) (_ []*Subscription, mayGather bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	mayGather = r.gathers && m.dropping == 0
	list = append(list, m.byType[t]...)
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
	if m.unclaimed == 0 || len(list) == 1 {
		return list, mayGather
	}
	if slices.ContainsFunc(list, (*Subscription).claims) {
		list = slices.DeleteFunc(list, func(s *Subscription) bool { return s.cfg.Unclaimed })
	}
	return list, mayGather
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
	m.finishLeavers()
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
	m.reconcile()
	m.finishLeavers()
}

// add makes the readers know a subscription.
func (m *Mux) add(s *Subscription) {
	if s.selector.Kind() == mq.SelectType {
		m.byType[s.selector.Type()] = append(m.byType[s.selector.Type()], s)
	} else {
		m.wide = append(m.wide, s)
	}
	if s.cfg.Unclaimed {
		m.unclaimed++
	}
	if s.cfg.Overflow != Block {
		m.dropping++
	}
	if s.cfg.Limit == 0 {
		m.unlimited[s.selector]++
	}
	m.wanted[s.selector]++
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
	if s.cfg.Overflow != Block {
		m.dropping--
	}
}

// end begins to end a subscription, or hastens its end.
func (m *Mux) end(s *Subscription, to state) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leave(to, s)
}

// leave makes subscriptions want no more. Each still gets what is taken for it
// alone: by readers that are to stop now, or were already. What other readers
// take is for others as well.
func (m *Mux) leave(to state, subs ...*Subscription) {
	var leaving []*Subscription
	for _, s := range subs {
		if !s.isOpen() {
			continue
		}
		leaving = append(leaving, s)
		if m.wanted[s.selector]--; m.wanted[s.selector] == 0 {
			delete(m.wanted, s.selector)
		}
		if s.cfg.Limit == 0 {
			if m.unlimited[s.selector]--; m.unlimited[s.selector] == 0 {
				delete(m.unlimited, s.selector)
			}
		}
	}
	// Before advance, so that one that is to get one message gets no second.
	m.reconcile()
	for _, s := range leaving {
		m.leavers[s] = slices.Collect(m.stoppingThat(s.selector))
	}
	for _, s := range subs {
		s.advance(to)
	}
	m.finishLeavers()
}

// finish ends all subscriptions, and the mux with the last of them. The first
// error is the one that is kept.
func (m *Mux) finish(to state, err error) {
	m.mu.Lock()
	if !m.closing {
		m.closing, m.err = true, err
	}
	all := slices.Clone(m.wide)
	for _, list := range m.byType {
		all = append(all, list...)
	}
	m.leave(to, all...)
	m.mu.Unlock()
	if err != nil {
		m.closeClient(m.closed("request"))
	}
}

// mayDeliver reports whether r may have something for a subscription that leaves.
func (r *selectorReader) mayDeliver() bool { return !r.over && !r.settled }

// finishLeavers closes the subscriptions that no reader has anything for any
// more, and the mux after the last one.
func (m *Mux) finishLeavers() {
	for s, last := range m.leavers {
		if slices.ContainsFunc(last, (*selectorReader).mayDeliver) || !s.finish() {
			continue
		}
		delete(m.leavers, s)
		m.remove(s)
		if m.closing {
			m.left = append(m.left, s)
		} else if len(s.messages) > 0 { // Shutdown waits for its reader
			m.left = append(slices.DeleteFunc(m.left, (*Subscription).isRead), s)
		}
	}
	if !m.closing || len(m.readers)+len(m.leavers) > 0 {
		return
	}
	select {
	case <-m.done:
	default:
		close(m.done)
		if m.cfg.OnClose != nil {
			go m.cfg.OnClose(m.err)
		}
	}
}
