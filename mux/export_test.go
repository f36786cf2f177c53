package mux

var (
	Cover   = cover[int]
	Overlap = overlap
)

// Orphans returns the messages that a reader took and no subscription wanted.
func (m *Mux) Orphans() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.orphans)
}

// Hold keeps lanes from giving anything to s until release is called.
func Hold(s *Subscription) (release func()) {
	s.box.mu.Lock()
	return s.box.mu.Unlock
}

// HoldMux keeps subscriptions from changing until release is called.
func HoldMux(m *Mux) (release func()) {
	m.mu.Lock()
	return m.mu.Unlock
}
