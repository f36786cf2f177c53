package lease

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"time"

	"ipcmq/mq"
)

// DefaultMaxItems is how many messages a batch of [HandleBatches] has at most, if
// its config does not say otherwise.
const DefaultMaxItems = 100

// A BatchHandler handles messages together, such as in one transaction or one
// request. If it returns nil, all are acknowledged; if the error is a [Failed], all
// but those that it has. With any other error, a panic or a call of
// runtime.Goexit, all are given back.
//
// A message that was lent before is handled in a batch of its own. So one that
// fails, or kills its handlers, fails others with it only once, and comes to
// DeadLetter alone.
//
// ctx ends as that of a [Handler] does, and when the lease of one of the messages
// could not be kept.
type BatchHandler func(ctx context.Context, batch []Delivery) error

// Failed is the error of a [BatchHandler] that has failed with some messages of a
// batch: it has the error of each by its index. The others are acknowledged.
type Failed map[int]error

// Error returns how many messages failed, and why the first did.
func (f Failed) Error() string {
	for _, i := range slices.Sorted(maps.Keys(f)) {
		return fmt.Sprintf("%d messages of the batch failed, the first of them, with index %d: %v", len(f), i, f[i])
	}
	return "no message of the batch failed"
}

// Unwrap returns the errors.
func (f Failed) Unwrap() []error { return slices.Collect(maps.Values(f)) }

// BatchConfig says how [HandleBatches] gathers and handles messages. The zero
// value, like a nil *BatchConfig, has batches of what is there already, one after
// the other.
type BatchConfig struct {
	// Config is for each message: Select, RetryDelay, MaxAttempts, DeadLetter,
	// OnError and Logger are as with [Handle]. Concurrency is how many batches are
	// handled at once.
	Config

	// MaxItems is the most messages of a batch; 0 means DefaultMaxItems. A queue
	// may lend fewer at once: a batch that is to have more needs a MaxAge.
	MaxItems int

	// MaxBytes completes a batch whose payloads have as many bytes or more; the
	// last one may exceed it. 0 means no limit.
	MaxBytes int

	// MaxAge is how long the first message of a batch waits for others. 0 means
	// that it waits for none.
	MaxAge time.Duration
}

// HandleBatches is [Handle] with messages that are gathered, handled and
// acknowledged together: up to MaxItems, MaxBytes or MaxAge, whatever comes first.
//
//	err := lease.HandleBatches(ctx, q, func(ctx context.Context, batch []lease.Delivery) error {
//		return insert(ctx, batch)
//	}, &lease.BatchConfig{MaxItems: 500, MaxAge: time.Second})
//
// Leases are extended from the beginning, also while messages wait for others.
// When ctx ends, those that were not handled yet are given back without delay.
func HandleBatches(ctx context.Context, q mq.Queue, h BatchHandler, cfg *BatchConfig) error {
	var c BatchConfig
	if cfg != nil {
		c = *cfg
	}
	if err := c.complete(h == nil); err != nil {
		return err
	}
	return run(ctx, q, nil, c.Config, func(l *loop, r mq.LeaseReceiver) {
		b := &batches{loop: l, handler: h, cfg: c, reach: reachable{logger: c.Logger}}
		b.take(r)
	})
}

// complete fills in the defaults.
func (c *BatchConfig) complete(noHandler bool) error {
	detail := ""
	switch {
	case c.MaxItems < 0:
		detail = fmt.Sprintf("MaxItems = %d is negative; 0 is the default of %d", c.MaxItems, DefaultMaxItems)
	case c.MaxBytes < 0:
		detail = fmt.Sprintf("MaxBytes = %d is negative; 0 is no limit", c.MaxBytes)
	case c.MaxAge < 0:
		detail = fmt.Sprintf("MaxAge = %v is negative; 0 waits for no other messages", c.MaxAge)
	case c.MaxItems == 0:
		c.MaxItems = DefaultMaxItems
	}
	if detail != "" {
		return &mq.Error{Op: "handle", Kind: mq.ErrInvalidConfig, Detail: detail}
	}
	return c.Config.complete(noHandler)
}

// call calls h, and returns what it makes of each message.
func (h BatchHandler) call(ctx context.Context, batch []Delivery) (errs []error) {
	err := h.guarded(ctx, batch)
	errs = make([]error, len(batch))
	var some Failed
	ok := errors.As(err, &some)
	for i := range some {
		if i < 0 || i >= len(batch) {
			err, ok = fmt.Errorf("the handler of a batch of %d messages returns an error of one with the index %d: %w", len(batch), i, some[i]), false
			break
		}
	}
	for i := range errs {
		if errs[i] = err; ok {
			errs[i] = some[i]
		}
	}
	return errs
}

// guarded calls h, and makes a panic an error.
func (h BatchHandler) guarded(ctx context.Context, batch []Delivery) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &mq.PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	return h(ctx, batch)
}
