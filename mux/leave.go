package mux

import (
	"slices"

	"ipcmq/mq"
)

// add begins a subscription, whose messages come from receiver.
func (m *Mux) add(s *Subscription, receiver mq.Receiver) {
	m.subscriptions[s] = true
	m.routes.Store(m.routes.Load().with(s))
	d := m.wanted[s.selector]
	if d == nil {
		d = &demand{receiver: receiver}
		m.wanted[s.selector] = d
		if isWide(s.selector) {
			m.wideWanted++
		}
	}
	d.open++
	if s.cfg.Limit == 0 {
		d.unlimited++
	}
	m.reconcile(s.selector)
}

// end begins to end a subscription, or aborts it.
func (m *Mux) end(s *Subscription, abort bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leave(abort, s)
}

// leave makes subscriptions want no more messages. Each still gets those that
// were taken only for it, by lanes that stop now or were stopping already. Other
// lanes have other subscriptions.
func (m *Mux) leave(abort bool, subs ...*Subscription) {
	var leaving []*Subscription
	var changed []mq.Selector
	for _, s := range subs {
		if s.box.left {
			continue
		}
		leaving, changed = append(leaving, s), append(changed, s.selector)
		d := m.wanted[s.selector]
		if d.open--; d.open == 0 {
			delete(m.wanted, s.selector)
			if isWide(s.selector) {
				m.wideWanted--
			}
		}
		if s.cfg.Limit == 0 {
			d.unlimited--
		}
		if l := m.lanes[s.selector]; l != nil && s.cfg.Limit == 0 && d.unlimited == 0 {
			m.stop(l) // it may hold more than the others want
		}
	}
	if len(changed) > 0 {
		m.reconcile(changed...)
	}
	for _, s := range leaving {
		var from []*lane
		for l := range m.stoppingThat(s.selector) {
			if !l.waits.Load() {
				from = append(from, l)
				l.keeps = append(l.keeps, s)
			}
		}
		s.box.leave(from)
	}
	for _, s := range subs {
		if abort {
			s.box.keepAll()
		}
		m.closeLeft(s)
	}
	m.finishMux()
}

// pass is called when l stops and waits for room.
func (m *Mux) pass(l *lane) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.passed(l)
}

// passed notes that l has nothing more for the subscriptions that have left.
func (m *Mux) passed(l *lane) {
	for _, s := range l.keeps {
		s.box.pass(l)
		m.closeLeft(s)
	}
	l.keeps = nil
}

// closeLeft closes a subscription that has left, unless it may still get
// messages.
func (m *Mux) closeLeft(s *Subscription) {
	if !s.box.close() {
		return
	}
	delete(m.subscriptions, s)
	if m.closing {
		m.left = append(m.left, s) // Close and Unread look at all
		return
	}
	m.routes.Store(m.routes.Load().without(s))
	switch {
	case len(s.box.messages) == 0:
		return
	case len(m.left) == cap(m.left):
		m.left = slices.DeleteFunc(m.left, func(s *Subscription) bool { return s.box.isRead() })
	}
	m.left = append(m.left, s) // Shutdown waits for its reader
}

// finish ends all subscriptions, and the mux with the last of them. The first
// error is kept.
func (m *Mux) finish(abort bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closing {
		m.closing, m.err = true, err
	}
	all := make([]*Subscription, 0, len(m.subscriptions))
	for s := range m.subscriptions {
		all = append(all, s)
	}
	m.leave(abort, all...)
}

// finishMux ends the mux after its last subscription.
func (m *Mux) finishMux() {
	if !m.closing || len(m.lanes)+len(m.subscriptions) > 0 {
		return
	}
	select {
	case <-m.done:
	default:
		m.routes.Store(&routes{})
		close(m.done)
	}
}

// keepOrphan keeps a message for Unread.
func (m *Mux) keepOrphan(msg mq.Message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.orphans = append(m.orphans, msg)
}
