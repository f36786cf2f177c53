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

// DefaultMaxItems is the default of BatchConfig.MaxItems.
const DefaultMaxItems = 100

// A BatchHandler handles messages together, for example in one transaction or one
// request. If it returns nil, all are acknowledged; if the error is a [Failed], all
// but those in it are acknowledged. With any other error, a panic or a call of
// runtime.Goexit, all are given back.
//
// A message that was lent before is handled in a batch by itself. So a message that
// fails, or kills its handlers, makes others fail only once, and reaches DeadLetter
// alone.
//
// ctx ends like that of a [Handler], and when the lease of one of the messages
// could not be kept.
type BatchHandler func(ctx context.Context, batch []Delivery) error

// Failed is the error of a [BatchHandler] that has failed for some messages of a
// batch: it maps the index of each to its error. The others are acknowledged.
type Failed map[int]error

// Error returns how many messages failed, and why the first one did.
func (f Failed) Error() string {
	for _, i := range slices.Sorted(maps.Keys(f)) {
		return fmt.Sprintf("%d messages of the batch failed, the first of them, with index %d: %v", len(f), i, f[i])
	}
	return "no message of the batch failed"
}

// Unwrap returns the errors.
func (f Failed) Unwrap() []error { return slices.Collect(maps.Values(f)) }

// BatchConfig configures how [HandleBatches] gathers and handles messages. With
// the zero value, as with a nil *BatchConfig, a batch is what is there already,
// and batches are handled one after the other.
type BatchConfig struct {
	// Config applies to each message: Select, RetryDelay, MaxAttempts, DeadLetter,
	// OnError and Logger are as with [Handle]. Concurrency is how many batches are
	// handled at once.
	Config

	// MaxItems is the maximum number of messages in a batch; 0 means
	// DefaultMaxItems. A queue may lend fewer at once: set MaxAge to wait for
	// more.
	MaxItems int

	// MaxBytes is the number of bytes of payload at which a batch is complete;
	// its last message may exceed it. 0 means no limit.
	MaxBytes int

	// MaxAge is how long the first message of a batch waits for others. 0 means
	// that it does not wait.
	MaxAge time.Duration
}

// HandleBatches is [Handle] with messages that are gathered, handled and
// acknowledged together: up to MaxItems, MaxBytes or MaxAge, whichever comes
// first.
//
//	err := lease.HandleBatches(ctx, q, func(ctx context.Context, batch []lease.Delivery) error {
//		return insert(ctx, batch)
//	}, &lease.BatchConfig{MaxItems: 500, MaxAge: time.Second})
//
// Leases are extended from the beginning, also while messages wait for others.
// When ctx ends, messages not handled yet are given back without delay.
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
		detail = fmt.Sprintf("MaxItems = %d is negative; 0 means the default of %d", c.MaxItems, DefaultMaxItems)
	case c.MaxBytes < 0:
		detail = fmt.Sprintf("MaxBytes = %d is negative; 0 means no limit", c.MaxBytes)
	case c.MaxAge < 0:
		detail = fmt.Sprintf("MaxAge = %v is negative; 0 does not wait for other messages", c.MaxAge)
	case c.MaxItems == 0:
		c.MaxItems = DefaultMaxItems
	}
	if detail != "" {
		return &mq.Error{Op: "handle", Kind: mq.ErrInvalidConfig, Detail: detail}
	}
	return c.Config.complete(noHandler)
}

// call calls h, and returns the error of each message.
func (h BatchHandler) call(ctx context.Context, batch []Delivery) (errs []error) {
	err := h.guarded(ctx, batch)
	errs = make([]error, len(batch))
	var some Failed
	ok := errors.As(err, &some)
	for i := range some {
		if i < 0 || i >= len(batch) {
			err, ok = fmt.Errorf("the handler of a batch of %d messages returned an error for index %d: %w", len(batch), i, some[i]), false
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

// guarded calls h, and turns a panic into an error.
func (h BatchHandler) guarded(ctx context.Context, batch []Delivery) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &mq.PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	return h(ctx, batch)
}
