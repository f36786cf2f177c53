// Package lazy has contexts that cost little unless somebody waits for their end.
package lazy

import (
	"context"
	"sync"
	"time"
)

// A Context ends at a time or by Cancel, like those of package context. It creates
// one of them only when somebody waits for its end, or asks whether it has ended
// and it has. Most requests are answered, and most messages handled, before that:
// they need no timer, and no place in the parent's list of children.
type Context struct {
	context.Context // the parent
	at              time.Time
	atCause         error

	mu       sync.Mutex
	made     context.Context // nil until it is needed
	cancel   context.CancelCauseFunc
	free     context.CancelFunc
	canceled bool
	cause    error
}

// New returns a context that ends with its parent, at the given time unless it is
// zero, and by Cancel, which must be called. If cause is not nil, it is the cause of
// its end at that time.
func New(parent context.Context, at time.Time, cause error) *Context {
	return &Context{Context: parent, at: at, atCause: cause}
}

// Cancel ends the context with a cause, nil for the usual one, and frees its
// resources.
func (c *Context) Cancel(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.canceled {
		return
	}
	c.canceled, c.cause = true, cause
	if c.made != nil {
		c.end()
	}
}

// Deadline returns the deadline, or that of the parent if it is earlier.
func (c *Context) Deadline() (time.Time, bool) {
	at, ok := c.Context.Deadline()
	if c.at.IsZero() || ok && at.Before(c.at) {
		return at, ok
	}
	return c.at, true
}

// Done creates the underlying context.
func (c *Context) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.make().Done()
}

// Err creates the underlying context if it has ended.
func (c *Context) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made == nil && !c.canceled && c.Context.Err() == nil && (c.at.IsZero() || time.Now().Before(c.at)) {
		return nil
	}
	return c.make().Err()
}

// Value returns that of the parent. Package context finds its own values in the
// underlying context.
func (c *Context) Value(key any) any {
	c.mu.Lock()
	from := c.made
	c.mu.Unlock()
	if from == nil {
		from = c.Context
	}
	return from.Value(key)
}

// make is called with mu held.
func (c *Context) make() context.Context {
	if c.made != nil {
		return c.made
	}
	c.made, c.cancel = context.WithCancelCause(c.Context)
	if !c.at.IsZero() {
		c.made, c.free = context.WithDeadlineCause(c.made, c.at, c.atCause)
	}
	if c.canceled {
		c.end()
	}
	return c.made
}

// end is called with mu held.
func (c *Context) end() {
	c.cancel(c.cause)
	if c.free != nil {
		c.free()
	}
}
