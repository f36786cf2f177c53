package store_test

import (
	"sync"
	"testing"
)

// Removing the queue makes waiting calls look, also while the store is given up.
func TestALookAtAStoreThatEndsIsHarmless(t *testing.T) {
	for range 200 {
		s, queue := newStore(t, 8192), newQueue(t)
		put(t, s, []byte("x"), queue).Drop()
		var all sync.WaitGroup
		all.Go(s.Look)
		all.Go(func() {
			s.Stop()
			s.Leave()
		})
		all.Wait()
		s.Look()
	}
}
