package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// stream sends an event for each snapshot, made by a function, until that returns no
// more, or the browser goes away or does not read in time. A slow browser misses
// snapshots: nothing waits for it, and nothing is kept for it.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, event func(*snapshot) (name string, data any, more bool)) {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		refuse(w, http.StatusServiceUnavailable, fmt.Sprintf("%d pages are open already: close some", maxStreams))
		return
	}
	leave := s.watch.join()
	defer leave()
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	var seen *snapshot
	for more := true; more; {
		if seen = s.watch.next(r.Context(), seen); seen == nil {
			return
		}
		var name string
		var data any
		name, data, more = event(seen)
		if name == "" {
			continue
		}
		b, err := json.Marshal(data)
		if err != nil {
			panic(err) // it holds numbers, times and strings
		}
		_ = control.SetWriteDeadline(time.Now().Add(s.config.WriteTimeout))
		if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, b); err != nil {
			return
		}
		if err := control.Flush(); err != nil {
			return
		}
	}
}
