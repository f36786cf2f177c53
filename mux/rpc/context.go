package rpc

import (
	"context"
	"sync"
	"time"
)

// A deadlineContext ends at a time, as one of [context.WithDeadlineCause] does,
// which it makes when somebody waits for its end, or asks whether it has ended and it
// has. Most requests are answered before anybody does, and need no timer.
type deadlineContext struct {
	context.Context // the parent
	at              time.Time
	cause           error // nil for the usual one

	mu       sync.Mutex
	made     context.Context // nil until it is needed
	cancel   context.CancelFunc
	canceled bool
}

func withDeadline(parent context.Context, at time.Time, cause error) *deadlineContext {
	return &deadlineContext{Context: parent, at: at, cause: cause}
}

// close ends the context, and frees what it needs.
func (c *deadlineContext) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.canceled = true
	if c.made != nil {
		c.cancel()
	}
}

// Deadline is that of the parent if it comes first.
func (c *deadlineContext) Deadline() (time.Time, bool) {
	if at, ok := c.Context.Deadline(); ok && at.Before(c.at) {
		return at, true
	}
	return c.at, true
}

func (c *deadlineContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.make().Done()
}

func (c *deadlineContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made == nil && !c.canceled && c.Context.Err() == nil && time.Now().Before(c.at) {
		return nil
	}
	return c.make().Err()
}

// Value is that of the parent; package context finds the one that was made by it.
func (c *deadlineContext) Value(key any) any {
	c.mu.Lock()
	from := c.made
	c.mu.Unlock()
	if from == nil {
		from = c.Context
	}
	return from.Value(key)
}

// make is called with mu held.
func (c *deadlineContext) make() context.Context {
	if c.made == nil {
		c.made, c.cancel = context.WithDeadlineCause(c.Context, c.at, c.cause)
		if c.canceled {
			c.cancel()
		}
	}
	return c.made
}
