package mux

// Stats is a snapshot of a mux.
type Stats struct {
	Subscriptions int // that have not ended, those of On and Once included
	Readers       int // goroutines that take messages, on a System V queue each with a thread while it waits
}

// Stats returns a snapshot of what the mux has now.
func (m *Mux) Stats() Stats {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return Stats{Readers: len(m.lanes), Subscriptions: len(m.subscriptions)}
}
