package testutil

import (
	"context"
	"sync"
	"testing"
	"time"
)

// Soon returns a context whose deadline comes soon after somebody begins to wait
// for its end, and not before, however busy the machine is.
func Soon(tb testing.TB) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	tb.Cleanup(cancel)
	return &soon{Context: ctx}
}

type soon struct {
	context.Context // the parent

	mu     sync.Mutex
	timed  context.Context // nil before somebody waits
	cancel context.CancelFunc
}

func (s *soon) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timed == nil {
		s.timed, s.cancel = context.WithTimeout(s.Context, time.Millisecond)
		context.AfterFunc(s.Context, s.cancel)
	}
	return s.timed.Done()
}

func (s *soon) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timed == nil {
		return s.Context.Err()
	}
	return s.timed.Err()
}
