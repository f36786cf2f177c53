package lease

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"ipcmq/mq"
)

// batches is a loop that handles its messages in batches. It takes messages only
// when a batch can be handled.
type batches struct {
	*loop
	handler BatchHandler
	cfg     BatchConfig

	// The messages in hand, used only by take.
	fresh    []*held // the oldest first
	repeated []*held // lent before: each is a batch by itself
	failures int     // of the queue, in a row
	reach    reachable
}

// take gathers batches and handles them, until the loop ends.
func (b *batches) take(r mq.LeaseReceiver) {
	for {
		select {
		case b.slots <- struct{}{}:
		case <-b.taking.Done():
			b.giveBackAll()
			return
		}
		batch := b.next(r)
		if len(batch) == 0 {
			b.release(1)
			b.giveBackAll()
			return
		}
		b.handlers.Go(func() {
			defer b.release(1)
			b.handle(batch)
		})
	}
}

// next returns the next batch, or none when the loop ends.
func (b *batches) next(r mq.LeaseReceiver) (batch []*held) {
	for b.taking.Err() == nil {
		if len(b.repeated) > 0 {
			batch, b.repeated = b.repeated[:1:1], b.repeated[1:]
			return batch
		}
		if n := b.ready(); n > 0 {
			batch, b.fresh = b.fresh[:n:n], b.fresh[n:]
			return batch
		}
		b.gather(r)
	}
	return nil
}

// ready returns how many of the fresh messages make a batch, or 0 if it is not
// complete.
func (b *batches) ready() int {
	bytes := 0
	for i, h := range b.fresh {
		bytes += len(h.Data)
		if i+1 == b.cfg.MaxItems || b.cfg.MaxBytes > 0 && bytes >= b.cfg.MaxBytes {
			return i + 1
		}
	}
	if len(b.fresh) > 0 && time.Since(b.fresh[0].taken) >= b.cfg.MaxAge {
		return len(b.fresh)
	}
	return 0
}

// gather takes messages that are there, or waits for some until the current batch
// is complete.
func (b *batches) gather(r mq.LeaseReceiver) {
	ctx := b.taking
	if len(b.fresh) > 0 {
		waiting, cancel := context.WithDeadline(ctx, b.fresh[0].taken.Add(b.cfg.MaxAge))
		defer cancel()
		ctx = waiting
	}
	leases, err := r.LeaseBatch(ctx, b.cfg.MaxItems-len(b.fresh))
	for _, lease := range leases {
		if h := b.hold(lease); h.Attempt > 1 {
			b.repeated = append(b.repeated, h)
		} else {
			b.fresh = append(b.fresh, h)
		}
	}
	b.reach.note(b.taking, err)
	switch {
	case err == nil:
		b.failures = 0
	case ctx.Err() != nil:
	case !passes(err):
		b.fail(err)
	case pause(ctx, b.failures):
		b.failures++
	}
}

// giveBackAll gives back the messages in hand.
func (b *batches) giveBackAll() {
	for _, h := range slices.Concat(b.repeated, b.fresh) {
		b.handlers.Go(func() { b.settle(h, errNotBegun) })
	}
}

// handle handles a batch, and settles the leases.
func (b *batches) handle(batch []*held) {
	ctx, end := context.WithCancelCause(b.ctx)
	defer end(nil)
	deliveries := make([]Delivery, len(batch))
	for i, h := range batch {
		deliveries[i] = h.Delivery
		if h.Attempt == b.cfg.MaxAttempts {
			deliveries[i].Data = bytes.Clone(h.Data) // so that DeadLetter gets it unchanged
		}
		defer context.AfterFunc(h.ctx, func() { end(context.Cause(h.ctx)) })()
	}
	errs := slices.Repeat([]error{errGoexit}, len(batch))
	defer func() { // also after runtime.Goexit
		var settling sync.WaitGroup
		for i, h := range batch {
			ended := errs[i] == errGoexit || errs[i] == errNotBegun || endedBy(ctx, errs[i])
			settling.Go(func() { b.finish(h, errs[i], ended) })
		}
		settling.Wait()
	}()
	switch limit := b.cfg.MaxAttempts; {
	case b.taking.Err() != nil: // they were lent while the loop ended
		errs = slices.Repeat([]error{errNotBegun}, len(batch))
	case limit > 0 && batch[0].Attempt > limit: // it is alone
		errs[0] = b.tooOften(batch[0].Delivery)
	default:
		errs = b.handler.call(ctx, deliveries)
	}
}

// finish settles a message of a batch, for which the handler returned err, or
// ended without returning.
func (b *batches) finish(h *held, err error, ended bool) {
	settled := errGoexit
	defer func() { b.settle(h, settled) }()
	switch {
	case ended:
		settled = err
	case b.cfg.MaxAttempts > 0 && h.Attempt > b.cfg.MaxAttempts:
		settled = b.bury(h.ctx, h.Delivery, err)
	default:
		settled = b.failed(h.ctx, h.Delivery, err)
	}
}
