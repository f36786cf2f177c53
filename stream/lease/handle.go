package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"ipcmq/mq"
)

// A Delivery is a message for a handler.
type Delivery struct {
	mq.Message

	// Sequence is the number of the message in its queue, the same in every
	// attempt: it identifies a message that was handled before.
	Sequence uint64

	// Attempt is how many times the message was lent to anyone, this time
	// included, also to holders that were killed or stopped before they handled
	// it.
	Attempt int

	// Uncertain reports that bytes at the end of the payload may be missing; see
	// [mq.Lease]. It is rare.
	Uncertain bool

	// Header is the header of the message, in queues that have headers: see
	// [mq.WithHeader]. nil means none.
	Header mq.Header

	// ID is the id of the message, see [mq.IDOf]; "" in queues whose messages have none.
	ID string

	// Stored is when the message was stored, see [mq.StoredAt]; zero if the queue does
	// not know.
	Stored time.Time
}

// deliver returns the Delivery of a lease.
func deliver(l mq.Lease) Delivery {
	d := Delivery{Message: l.Message(), Sequence: l.Sequence(), Attempt: l.Attempt(),
		Header: mq.HeaderOf(l), ID: mq.IDOf(l), Stored: mq.StoredAt(l)}
	if u, ok := l.(interface{ Uncertain() bool }); ok {
		d.Uncertain = u.Uncertain()
	}
	return d
}

// A Handler handles a lent message. If it returns nil, the message is
// acknowledged, which removes it from the queue. If it returns an error, panics
// or calls runtime.Goexit, the message is given back, to be handled again, by
// this process or another. The payload belongs to the handler.
//
// ctx ends with that of [Handle], or Config.Drain later, and when the queue has
// ended; a handler that should finish anyway uses [context.WithoutCancel]. ctx
// also ends if the lease could not be kept, with [ErrLost] as its cause: another
// holder may then have the message.
type Handler func(ctx context.Context, d Delivery) error

// Config configures how messages are handled. The zero value, like a nil
// *Config, takes every message, one after the other, and tries each until it
// succeeds.
type Config struct {
	// Select chooses the messages to take; the others stay in the queue. The
	// zero value is mq.Any.
	Select mq.Selector

	// Concurrency is how many messages are handled at once; 0 means 1. No more
	// are taken than are handled, but for those of Prefetch, so the others stay there
	// for other processes.
	Concurrency int

	// Prefetch is how many messages of a queue on another host are taken beyond
	// Concurrency while handlers run, so that these need not wait for the next; 0 means
	// DefaultPrefetch, and a negative Prefetch means none. They are lent, and wait in
	// this process, so others do not get them: no more are taken than handlers recently
	// got through in 20 ms. Messages that have waited for 1 second, or a quarter of
	// their lease, are given back, and so are those that wait when Handle ends. Both
	// count as an attempt, so nothing is prefetched if MaxAttempts is 1, nor along with
	// messages that were lent before. Only queues whose receivers are an
	// [mq.BatchAcker], as those on JetStream, prefetch, and HandleBatches does not.
	Prefetch int

	// RetryDelay returns how long a message waits in the queue after an attempt
	// that failed with err; attempts count from 1, and 0 or less means no delay.
	// nil means [Backoff].
	RetryDelay func(attempt int, err error) time.Duration

	// MaxAttempts is after how many attempts a message goes to DeadLetter; 0
	// means never. Attempts count from the first time the message was lent to
	// anyone, so those that killed the handler count too.
	MaxAttempts int

	// DeadLetter is called with a message after its last attempt has failed with
	// err, and for example sends it to another queue ([ToQueue]). If it returns nil,
	// the message is acknowledged; otherwise DeadLetter gets it again after the
	// delay, now with ErrAttempts, which wraps err if this process gets it again. It
	// is required if MaxAttempts is set.
	DeadLetter func(ctx context.Context, d Delivery, err error) error

	// Drain is how long running handlers may go on after ctx has ended, with
	// their leases extended; then their contexts end. A negative Drain means
	// without a limit. 0 ends them immediately, which loses nothing: their
	// messages are given back.
	Drain time.Duration

	// OnError, if not nil, is called when an attempt has failed, and when a
	// message could not be acknowledged or given back. It may be called by
	// several goroutines at once.
	OnError func(d Delivery, err error)

	// Logger, if not nil, logs what Handle does on its own: at level Warn that a
	// message will be tried again, has become a dead letter, has lost its lease, or
	// may be handled again, and that the queue cannot be reached; at Info that it can
	// be reached again. Payloads are not logged.
	Logger *slog.Logger
}

// ErrLost: the lease of a message ran out while it was handled, because it
// could not be extended, and the message may be lent to another holder.
var ErrLost = errors.New("lease has run out")

// ErrAttempts: a message was lent more often than MaxAttempts allows, so it is not
// tried again: its last holder was killed, or its DeadLetter failed. It wraps the
// error of the last attempt if this process made it.
var ErrAttempts = errors.New("too many attempts")

// Backoff is the default of Config.RetryDelay: 1 s after the first attempt,
// doubling with every attempt up to 1 minute.
func Backoff(attempt int, _ error) time.Duration {
	return min(time.Second<<min(max(attempt, 1)-1, 6), time.Minute)
}

// Handle handles the messages of q with h, each at least once: a message stays in
// the queue until h has returned nil, and if this process is killed before that, it
// is lent to another. While h runs, the lease is extended, however long h takes.
//
// With a Concurrency of 1, messages are handled in the order in which the queue
// lends them; a message that is given back is overtaken by others while it waits.
//
// Handle returns when ctx ends or the queue is closed or removed: it takes nothing
// more, ends the contexts of the running handlers after Config.Drain, and waits for
// them. Messages of those that succeed are still acknowledged; the others are given
// back without delay. After ctx has ended it returns nil, or the errors of messages
// that could not be acknowledged, which will be handled again.
//
// While the queue is unavailable, Handle waits, also before the first
// message. An acknowledgement whose answer was lost is repeated, and one that is
// not answered before the lease runs out is given up: OnError gets it, and the
// message will be handled again.
//
// The error matches [mq.ErrInvalidConfig], [mq.ErrInvalidType],
// errors.ErrUnsupported if q does not lend its messages, as POSIX queues and
// private System V queues do not, and otherwise it is that of the queue, such as [mq.ErrClosed] or
// [mq.ErrRemoved].
func Handle(ctx context.Context, q mq.Queue, h Handler, cfg *Config) error {
	var c Config
	if cfg != nil {
		c = *cfg
	}
	if err := c.complete(h == nil); err != nil {
		return err
	}
	return run(ctx, q, h, c, (*loop).take)
}

// run runs a loop that takes the messages of q, and waits for the handlers.
func run(ctx context.Context, q mq.Queue, h Handler, c Config, take func(*loop, mq.LeaseReceiver)) error {
	lender, ok := mq.As[mq.Leaser](q)
	if !ok {
		return &mq.Error{Op: "handle", Kind: errors.ErrUnsupported,
			Detail: fmt.Sprintf("%T does not lend its messages; use ipcmq/stream, or a queue that is an mq.Leaser", q)}
	}
	receiver, err := selectLeases(ctx, lender, c.Select, c.Logger)
	if receiver == nil {
		return err
	}
	loop := newLoop(ctx, h, c)
	if together, ok := receiver.(mq.BatchAcker); ok {
		loop.acks = newAcks(loop, together)
	}
	defer loop.halt(nil)
	take(loop, receiver)
	loop.drain()
	return loop.err()
}

// complete fills in the defaults.
func (c *Config) complete(noHandler bool) error {
	detail := ""
	switch {
	case noHandler:
		detail = "the handler is nil"
	case c.Concurrency < 0:
		detail = fmt.Sprintf("Concurrency = %d is negative; 0 means 1", c.Concurrency)
	case c.Prefetch > maxPrefetch:
		detail = fmt.Sprintf("Prefetch = %d exceeds the limit of %d; 0 means the default of %d", c.Prefetch, maxPrefetch, DefaultPrefetch)
	case c.MaxAttempts < 0:
		detail = fmt.Sprintf("MaxAttempts = %d is negative; 0 means no limit", c.MaxAttempts)
	case c.MaxAttempts > 0 && c.DeadLetter == nil:
		detail = fmt.Sprintf("MaxAttempts = %d without DeadLetter: the message would be lost", c.MaxAttempts)
	case c.MaxAttempts == 0 && c.DeadLetter != nil:
		detail = "DeadLetter without MaxAttempts is never called"
	}
	if detail != "" {
		return &mq.Error{Op: "handle", Kind: mq.ErrInvalidConfig, Detail: detail}
	}
	if c.Concurrency == 0 {
		c.Concurrency = 1
	}
	if c.Prefetch == 0 {
		c.Prefetch = DefaultPrefetch
	}
	if c.RetryDelay == nil {
		c.RetryDelay = Backoff
	}
	return nil
}

// call calls h, and turns a panic into an error.
func (h Handler) call(ctx context.Context, d Delivery) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &mq.PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	return h(ctx, d)
}
