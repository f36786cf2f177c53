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

// Hold keeps readers from giving s anything until release is called.
func Hold(s *Subscription) (release func()) {
	s.mu.Lock()
	return s.mu.Unlock
}
