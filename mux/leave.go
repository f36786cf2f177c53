package mux

import (
	"slices"

	"ipcmq/mq"
)

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
	var changed []mq.Selector
	for _, s := range subs {
		if !s.isOpen() {
			continue
		}
		leaving = append(leaving, s)
		d := m.wanted[s.selector]
		if d.open--; d.open == 0 {
			delete(m.wanted, s.selector)
			if s.selector.Kind() != mq.SelectType {
				m.wideWanted--
			}
		}
		if s.cfg.Limit == 0 {
			d.unlimited--
		}
		changed = append(changed, s.selector)
	}
	// Before advance, so that one that is to get one message gets no second.
	if len(changed) > 0 {
		m.reconcile(changed...)
	}
	for _, s := range leaving {
		m.leavers[s] = slices.Collect(m.stoppingThat(s.selector))
	}
	for _, s := range subs {
		s.advance(to)
	}
	for _, s := range subs {
		m.finishLeaver(s)
	}
	m.finishMux()
}

// finish ends all subscriptions, and the mux with the last of them. The first
// error is the one that is kept.
func (m *Mux) finish(to state, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closing {
		m.closing, m.err = true, err
	}
	all := slices.Clone(m.wide)
	for _, list := range m.byType {
		all = append(all, list...)
	}
	m.leave(to, all...)
}

// mayDeliver reports whether r may have something for a subscription that leaves.
func (r *selectorReader) mayDeliver() bool { return !r.over && !r.settled }

// finishLeavers closes the subscriptions that wanted to end and that no reader
// has anything for any more, after a change of r, and the mux after the last one.
func (m *Mux) finishLeavers(r *selectorReader) {
	if len(m.leavers) > 0 {
		if r.selector.Kind() == mq.SelectType {
			for _, s := range slices.Concat(m.byType[r.selector.Type()], m.wide) {
				m.finishLeaver(s)
			}
		} else {
			for s := range m.leavers {
				m.finishLeaver(s)
			}
		}
	}
	m.finishMux()
}

// finishLeaver closes a subscription if it wanted to end and no reader has
// anything for it any more.
func (m *Mux) finishLeaver(s *Subscription) {
	last, leaves := m.leavers[s]
	if !leaves || slices.ContainsFunc(last, (*selectorReader).mayDeliver) || !s.finish() {
		return
	}
	delete(m.leavers, s)
	m.remove(s)
	if m.closing {
		m.left = append(m.left, s)
	} else if len(s.messages) > 0 { // Shutdown waits for its reader
		m.left = append(slices.DeleteFunc(m.left, (*Subscription).isRead), s)
	}
}

// finishMux ends the mux after its last subscription.
func (m *Mux) finishMux() {
	if !m.closing || len(m.readers)+len(m.leavers) > 0 {
		return
	}
	select {
	case <-m.done:
	default:
		close(m.done)
	}
}
