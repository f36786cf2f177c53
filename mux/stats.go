package mux

// Stats is a snapshot of a mux.
type Stats struct {
	Subscriptions int // that have not ended, including those of On and Once
	Readers       int // goroutines that take messages, each with a thread while it waits on a System V queue
}

// Stats returns a snapshot of the mux.
func (m *Mux) Stats() Stats {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return Stats{Readers: len(m.lanes), Subscriptions: len(m.subscriptions)}
}
