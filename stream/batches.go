package stream

import (
	"iter"
	"time"

	"ipcmq/mq"
)

// DefaultMaxItems is the most that a batch of [Batches] holds if its config does
// not say otherwise.
const DefaultMaxItems = 1000

// BatchConfig says when a batch of [Batches] is complete: with whatever of the
// three comes first. The zero value, like a nil *BatchConfig, has batches of what
// is there already.
type BatchConfig[T any] struct {
	// MaxItems is the most items of a batch; 0 means DefaultMaxItems.
	MaxItems int

	// MaxBytes completes a batch that has as many bytes or more; the last item
	// may exceed it. 0 means no limit.
	MaxBytes int

	// Size returns the bytes of an item, for MaxBytes. nil means len(m.Data) of
	// messages; other items need it.
	Size func(item T) int

	// MaxAge is how long the first item of a batch waits for others. 0 means
	// that it waits for none: a batch is complete when the channel is empty.
	MaxAge time.Duration
}

// Batches returns an iterator over what comes from a channel, such as that of a
// stream or a subscription, in batches of one item or more. It waits for the
// first item of each as long as it takes. When the channel is closed the rest is
// the last batch.
//
//	batches, err := stream.Batches(s.Messages(), &stream.BatchConfig[mq.Message]{MaxItems: 100, MaxAge: time.Second})
//	if err != nil {
//		return err
//	}
//	for batch := range batches {
//		insert(batch)
//	}
//	return s.Err()
//
// A batch belongs to the loop. Between two turns the iterator has nothing in hand
// and takes nothing, so that leaving the loop, also for a while, loses nothing.
// Several loops may run at once.
//
// The error matches [mq.ErrInvalidConfig].
func Batches[T any](items <-chan T, cfg *BatchConfig[T]) (iter.Seq[[]T], error) {
	var c BatchConfig[T]
	if cfg != nil {
		c = *cfg
	}
	switch {
	case c.MaxItems < 0:
		return nil, invalid("MaxItems = %d is negative; 0 is the default of %d", c.MaxItems, DefaultMaxItems)
	case c.MaxBytes < 0:
		return nil, invalid("MaxBytes = %d is negative; 0 is no limit", c.MaxBytes)
	case c.MaxAge < 0:
		return nil, invalid("MaxAge = %v is negative; 0 waits for no other items", c.MaxAge)
	case c.MaxItems == 0:
		c.MaxItems = DefaultMaxItems
	}
	if c.MaxBytes > 0 && c.Size == nil {
		var size any = func(m mq.Message) int { return len(m.Data) }
		var ok bool
		if c.Size, ok = size.(func(T) int); !ok {
			var item T
			return nil, invalid("MaxBytes = %d needs a Size, to know the bytes of a %T", c.MaxBytes, item)
		}
	}
	return func(yield func([]T) bool) {
		for {
			batch, open := c.gather(items)
			if len(batch) > 0 && !yield(batch) || !open {
				return
			}
		}
	}, nil
}

// gather takes the next batch from the channel, and reports whether that is open.
func (c *BatchConfig[T]) gather(items <-chan T) (batch []T, open bool) {
	item, ok := <-items
	if !ok {
		return nil, false
	}
	var late <-chan time.Time // nil until it has to wait
	for bytes := 0; ; {
		batch = append(batch, item)
		if c.MaxBytes > 0 {
			bytes += c.Size(item)
		}
		if len(batch) >= c.MaxItems || c.MaxBytes > 0 && bytes >= c.MaxBytes {
			return batch, true
		}
		if c.MaxAge > 0 && late == nil {
			late = time.After(c.MaxAge)
		}
		select {
		case <-late: // also if more is there all the time
			return batch, true
		default:
		}
		select {
		case item, ok = <-items:
		default:
			if c.MaxAge == 0 {
				return batch, true
			}
			select {
			case item, ok = <-items:
			case <-late:
				return batch, true
			}
		}
		if !ok {
			return batch, false
		}
	}
}
