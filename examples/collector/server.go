package main

import (
	"encoding/json"
	"net/http"
	"sync"
)

// A server collects events. It is unreliable: it refuses the first request and then
// every fourth, and answers the second and then every fifth with an error although it
// accepted the batch.
type server struct {
	mu       sync.Mutex
	requests int
	batches  map[string]bool
	events   map[event]int
	repeated int
}

func newServer() *server { return &server{batches: map[string]bool{}, events: map[event]int{}} }

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.requests++; s.requests == 1 || s.requests%4 == 0 {
		http.Error(w, "come back later", http.StatusServiceUnavailable)
		return
	}
	var events []event
	if err := json.NewDecoder(r.Body).Decode(&events); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	name := r.Header.Get("Idempotency-Key")
	if s.batches[name] {
		s.repeated++
	} else {
		s.batches[name] = true
		for _, e := range events {
			s.events[e]++
		}
	}
	if s.requests == 2 || s.requests%5 == 0 {
		http.Error(w, "the answer is lost", http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// count returns what has arrived; an event that arrived twice counts twice.
func (s *server) count() (c counts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.events {
		c.Events += n
	}
	c.Batches, c.Repeated = len(s.batches), s.repeated
	return c
}
