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
// No two lanes take the same type at the same time: a lane that will be replaced
// first delivers what it holds, and ends. So each type keeps its order. A
// subscription to several types may get messages of several lanes at once, while
// the lanes that its own replaces are stopping.
//
// A subscription that leaves is gone immediately if its lane continues, whose
// messages are for others as well. A lane that stops keeps the subscription until
// the lane has passed, that is, has ended, or has offered everything it holds and
// waits for room: it takes nothing more then.
type lane struct {
	mux      *Mux
	selector mq.Selector
	reader   *reader.Reader
	space    func(<-chan mq.Message) int
	stopping atomic.Bool     // written under the lock of the mux, before keeps
	waits    atomic.Bool     // for room; everything it holds was offered
	keeps    []*Subscription // that have left, and wait until the lane has passed

	// Used only by its goroutine:
	routes  *routes         // the latest that it has seen
	alike   []*Subscription // all that it serves, if it may gather messages for them
	aimed   bool            // whether targets are those of messages of type typ
	typ     int64
	targets []*Subscription
	waiting []*delivery
	spare   []*delivery // memory for those
}

// look reports whether subscriptions have changed since the last look.
func (l *lane) look() bool {
	r := l.mux.routes.Load()
	if r == l.routes {
		return false
	}
	l.routes, l.alike, l.aimed = r, r.alike(l.selector), false
	return true
}

// room returns how many messages l may take before it delivers them: as many as
// each of its subscriptions has room for, see [reader.Room]. It is more than one
// only if all subscriptions get the same messages, since none should wait for
// messages that l holds because of others, and if one has no Limit, so all
// messages can be given to it. When the last of these leaves, l stops and keeps
// it.
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

// give offers a message to all that select it. If all refuse it because they
// have left meanwhile, others have come, or may now get messages that those had
// claimed.
func (l *lane) give(m mq.Message) {
	for {
		claimed := l.aim(m.Type)
		if l.offer(m) {
			return
		}
		if !l.look() && !claimed {
			// This cannot happen, since lanes run only while some
			// subscription wants everything they take; but if it did, the
			// message must not be lost.
			l.mux.keepOrphan(m)
			return
		}
	}
}

// aim finds the subscriptions that get messages of type t, and reports whether
// some do not because others claim these.
func (l *lane) aim(t int64) (claimed bool) {
	if l.aimed && l.typ == t {
		return false
	}
	l.targets, l.typ, l.aimed = l.routes.of(t, l.targets[:0]), t, true
	if l.routes.unclaimed == 0 || len(l.targets) < 2 {
		return false
	}
	l.aimed = false // a full one claims nothing more
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
			own.Data = bytes.Clone(m.Data) // each subscription owns its payload
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
	if l.stopping.Load() { // otherwise the call that stops it sees that it waits
		l.mux.pass(l)
	}
	for _, d := range l.waiting {
		if d.to.box.await(d) {
			l.mux.end(d.to, false) // now, since the next one may make l wait
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
