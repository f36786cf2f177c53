package mux

import (
	"iter"
	"slices"

	"ipcmq/internal/reader"
	"ipcmq/mq"
)

// A demand is what open subscriptions with one selector want.
type demand struct {
	receiver  mq.Receiver
	open      int // how many they are
	unlimited int // how many of them have no Limit
}

// reconcile stops the lanes that are no longer wanted and starts those that are,
// unless a lane that is still stopping takes the same types: its end calls
// reconcile again. It looks at all lanes, unless the changed demands are given
// and all demands are for single types: then each has its own lane, and there
// may be thousands.
func (m *Mux) reconcile(changed ...mq.Selector) {
	if len(changed) > 0 && m.wideWanted == 0 && len(m.wideLanes) == 0 && !slices.ContainsFunc(changed, isWide) {
		for _, s := range changed {
			m.reconcileOne(s, m.wanted[s] != nil)
		}
		return
	}
	want := cover(m.wanted)
	for s := range m.lanes {
		m.reconcileOne(s, want[s])
	}
	for s := range want {
		m.reconcileOne(s, true)
	}
}

func (m *Mux) reconcileOne(s mq.Selector, want bool) {
	l := m.lanes[s]
	switch {
	case l == nil && want && !m.stoppingOverlaps(s):
		m.start(s)
	case l != nil && !want:
		m.stop(l)
	}
}

// isWide reports whether s selects more than one type.
func isWide(s mq.Selector) bool { return s.Kind() != mq.SelectType }

// stoppingOverlaps reports whether a lane that is about to stop takes types that
// s selects.
func (m *Mux) stoppingOverlaps(s mq.Selector) bool {
	for range m.stoppingThat(s) {
		return true
	}
	return false
}

// stoppingThat returns an iterator over the lanes that are about to stop and take
// types that s selects.
func (m *Mux) stoppingThat(s mq.Selector) iter.Seq[*lane] {
	return func(yield func(*lane) bool) {
		if m.stopping == 0 {
			return
		}
		if isWide(s) {
			for _, l := range m.lanes {
				if l.stopping.Load() && overlap(l.selector, s) && !yield(l) {
					return
				}
			}
			return
		}
		// There may be thousands of these.
		if l := m.lanes[s]; l != nil && l.stopping.Load() && !yield(l) {
			return
		}
		for _, l := range m.wideLanes {
			if l.stopping.Load() && overlap(l.selector, s) && !yield(l) {
				return
			}
		}
	}
}

func (m *Mux) start(s mq.Selector) {
	l := &lane{mux: m, selector: s, space: reader.Room(m.queue)}
	var receiver mq.Receiver = m.queue // of everything, if no subscription has this selector
	if d := m.wanted[s]; d != nil {
		receiver = d.receiver
	}
	m.lanes[s] = l
	if isWide(s) {
		m.wideLanes = append(m.wideLanes, l)
	}
	l.reader = reader.Start(m.queue, receiver, m.cfg.Spin, reader.Consumer{Room: l.room, Deliver: l.deliver, Ended: l.ended})
}

func (m *Mux) stop(l *lane) {
	if l.stopping.Load() {
		return
	}
	m.stopping++
	l.reader.Stop()
	l.stopping.Store(true)
}
