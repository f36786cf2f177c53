package mux

import (
	"bytes"
	"slices"
	"sync/atomic"

	"ipcmq/internal/reader"
	"ipcmq/mq"
)

// A lane is a reader that takes the messages of one selector from the queue and
// gives each to every subscription that selects it.
//
// No two lanes take the same type at the same time: one that is to be replaced
// ends first, with what it has in hand delivered. So each type keeps its order. A
// subscription to several types may get messages of several lanes at once, where
// those that it replaces are about to stop.
//
// A subscription that leaves goes at once where the lane goes on: what that takes
// is for others as well. A lane that stops keeps it until it has passed, that is
// until the lane has ended, or has offered all that it has in hand and waits for
// room: it takes nothing more then.
type lane struct {
	mux      *Mux
	selector mq.Selector
	reader   *reader.Reader
	space    func(<-chan mq.Message) int
	stopping atomic.Bool     // written under the lock of the mux, before keeps
	waits    atomic.Bool     // for room; all that it has was offered
	keeps    []*Subscription // those that have left, and wait until it has passed

	// Of its goroutine:
	routes  *routes         // the latest it has seen
	alike   []*Subscription // all that it serves, if it may gather messages for them
	aimed   bool            // at the targets of messages of the type below
	typ     int64
	targets []*Subscription
	waiting []*delivery
	spare   []*delivery // memory for those
}

// look finds out whether subscriptions have changed, and reports whether they have.
func (l *lane) look() bool {
	r := l.mux.routes.Load()
	if r == l.routes {
		return false
	}
	l.routes, l.alike, l.aimed = r, r.alike(l.selector), false
	return true
}

// room returns how many messages l may take before it delivers them: as many as
// each of its subscriptions has room for, see [reader.Room]. More than one only if
// all are for the same, since nobody should wait for others with messages that l
// has in hand; and if one has no Limit, to which all can be given. Where the last
// of those leaves, l stops and keeps it.
func (l *lane) room() int {
	l.look()
	if len(l.alike) == 0 {
		return 1
	}
	room := l.space(l.alike[0].box.messages)
	for _, s := range l.alike[1:] {
		room = min(room, l.space(s.box.messages))
	}
	return room
}

// deliver gives messages to every subscription that selects them: first to those
// that have room, then to those that make the lane wait.
func (l *lane) deliver(taken []mq.Message) {
	l.look()
	for len(taken) > 0 {
		n := 0
		if len(l.alike) == 1 {
			n = l.alike[0].box.putAll(taken, l)
		}
		if n == 0 {
			l.give(taken[0])
			n = 1
		}
		taken = taken[n:]
	}
	if len(l.waiting) > 0 {
		l.wait()
	}
}

// give offers a message to all that select it. If all refuse it, because they
// have left meanwhile, others have come, or may have what those have claimed.
func (l *lane) give(m mq.Message) {
	for {
		claimed := l.aim(m.Type)
		if l.offer(m) {
			return
		}
		if !l.look() && !claimed {
			// Cannot be, since lanes run only while somebody wants all that
			// they take; but if it were, the message must not be lost.
			l.mux.keepOrphan(m)
			return
		}
	}
}

// aim finds the subscriptions that get messages of type t, and reports whether
// some do not since others claim them.
func (l *lane) aim(t int64) (claimed bool) {
	if l.aimed && l.typ == t {
		return false
	}
	l.targets, l.typ, l.aimed = l.routes.of(t, l.targets[:0]), t, true
	if l.routes.unclaimed == 0 || len(l.targets) < 2 {
		return false
	}
	l.aimed = false // one that is full claims nothing more
	claimed = slices.ContainsFunc(l.targets, func(s *Subscription) bool { return !s.cfg.Unclaimed && s.box.wants(l) })
	if claimed {
		l.targets = slices.DeleteFunc(l.targets, func(s *Subscription) bool { return s.cfg.Unclaimed })
	}
	return claimed
}

// offer gives a message to each of l's targets that has room, and notes the
// others in l.waiting. It reports whether any of them wanted it.
func (l *lane) offer(m mq.Message) (wanted bool) {
	for i, s := range l.targets {
		own := m
		if i < len(l.targets)-1 {
			own.Data = bytes.Clone(m.Data) // each owns what it gets
		}
		if len(l.spare) == 0 {
			l.spare = append(l.spare, &delivery{from: l})
		}
		d := l.spare[len(l.spare)-1]
		a, last := s.box.put(own, d)
		if a == late {
			d.to = s
			l.waiting, l.spare = append(l.waiting, d), l.spare[:len(l.spare)-1]
		}
		if last {
			l.mux.end(s, false)
		}
		wanted = wanted || a != refused
	}
	return wanted
}

// wait waits for room.
func (l *lane) wait() {
	l.waits.Store(true)
	if l.stopping.Load() { // otherwise whoever stops it sees that it waits
		l.mux.pass(l)
	}
	for _, d := range l.waiting {
		if d.to.box.await(d) {
			l.mux.end(d.to, false) // now, since the next may keep l waiting
		}
		*d = delivery{from: l}
	}
	l.waits.Store(false)
	l.spare, l.waiting = append(l.spare, l.waiting...), l.waiting[:0]
}

// ended is called when l has taken and delivered its last message.
func (l *lane) ended(err error) {
	m := l.mux
	if err != nil {
		m.finish(false, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.lanes, l.selector)
	m.wideLanes = slices.DeleteFunc(m.wideLanes, func(other *lane) bool { return other == l })
	if l.stopping.Load() {
		m.stopping--
	}
	m.passed(l)
	m.reconcile(l.selector)
	m.finishMux()
}
