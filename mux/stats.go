package mux

// Stats is a snapshot of what a mux has done since it was made.
type Stats struct {
	Subscriptions int // that have not ended, those of On, Once and Handle included
	Readers       int // goroutines that take messages, on a System V queue each with a thread while it waits

	Requests RequestStats
	Handled  HandleStats
}

// RequestStats counts the requests that this mux has sent.
type RequestStats struct {
	Sent     uint64
	Answered uint64 // with a reply or an error of the server

	// Replies that were for no request: discarded.
	Late      uint64 // the request had been given up
	Duplicate uint64 // the request had been answered
	Foreign   uint64 // of no request that this mux has sent
}

// HandleStats counts the requests that this mux has taken.
type HandleStats struct {
	Handled   uint64 // given to a handler, which has returned
	Failed    uint64 // of these, with an error
	Panicked  uint64 // of these, with a panic
	Malformed uint64 // messages that are no requests: discarded
	Expired   uint64 // past their deadline, before or after they were handled: no reply
	Lost      uint64 // replies that could not be sent
	Refused   uint64 // of these, to an address that is not an inbox
}

// Stats returns a snapshot of the counters.
func (m *Mux) Stats() Stats {
	m.mu.RLock()
	st := Stats{Readers: len(m.readers), Subscriptions: len(m.wide)}
	for _, list := range m.byType {
		st.Subscriptions += len(list)
	}
	c := m.client
	m.mu.RUnlock()
	if c != nil {
		c.mu.Lock()
		st.Requests = c.stats
		c.mu.Unlock()
	}
	s := &m.service
	st.Handled = HandleStats{
		Handled: s.handled.Load(), Failed: s.failed.Load(), Panicked: s.panicked.Load(), Malformed: s.malformed.Load(),
		Expired: s.expired.Load(), Lost: s.lost.Load(), Refused: s.refused.Load(),
	}
	return st
}
