package stream

import (
	"iter"
	"time"

	"ipcmq/mq"
)

// DefaultMaxItems is the default of BatchConfig.MaxItems.
const DefaultMaxItems = 1000

// BatchConfig says when a batch of [Batches] is complete: when MaxItems, MaxBytes
// or MaxAge is reached, whichever comes first. With the zero value, as with a nil
// *BatchConfig, a batch is what is there already.
type BatchConfig[T any] struct {
	// MaxItems is the maximum number of items in a batch; 0 means
	// DefaultMaxItems.
	MaxItems int

	// MaxBytes is the number of bytes at which a batch is complete; its last
	// item may exceed it. 0 means no limit.
	MaxBytes int

	// Size returns the size of an item in bytes, for MaxBytes. nil means
	// len(m.Data) for messages; it is required for other items.
	Size func(item T) int

	// MaxAge is how long the first item of a batch waits for others. 0 means
	// that it does not wait: a batch is complete when the channel is empty.
	MaxAge time.Duration
}

// Batches returns an iterator over the items of a channel, such as that of a
// stream or a subscription, in batches of one item or more. It waits for the
// first item of each batch without a limit. When the channel is closed the rest
// is the last batch.
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
// A batch belongs to the loop. Between two turns the iterator holds nothing and
// takes nothing, so that leaving or pausing the loop loses nothing. Several loops
// may run at once.
//
// The error matches [mq.ErrInvalidConfig].
func Batches[T any](items <-chan T, cfg *BatchConfig[T]) (iter.Seq[[]T], error) {
	var c BatchConfig[T]
	if cfg != nil {
		c = *cfg
	}
	switch {
	case c.MaxItems < 0:
		return nil, invalid("MaxItems = %d is negative; 0 means the default of %d", c.MaxItems, DefaultMaxItems)
	case c.MaxBytes < 0:
		return nil, invalid("MaxBytes = %d is negative; 0 means no limit", c.MaxBytes)
	case c.MaxAge < 0:
		return nil, invalid("MaxAge = %v is negative; 0 does not wait for other items", c.MaxAge)
	case c.MaxItems == 0:
		c.MaxItems = DefaultMaxItems
	}
	if c.MaxBytes > 0 && c.Size == nil {
		var size any = func(m mq.Message) int { return len(m.Data) }
		var ok bool
		if c.Size, ok = size.(func(T) int); !ok {
			var item T
			return nil, invalid("MaxBytes = %d needs a Size, which returns the size of a %T", c.MaxBytes, item)
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

// gather takes the next batch from the channel, and reports whether the channel
// is open.
func (c *BatchConfig[T]) gather(items <-chan T) (batch []T, open bool) {
	item, ok := <-items
	if !ok {
		return nil, false
	}
	var tooOld <-chan time.Time // nil until it has to wait
	for bytes := 0; ; {
		batch = append(batch, item)
		if c.MaxBytes > 0 {
			bytes += c.Size(item)
		}
		if len(batch) >= c.MaxItems || c.MaxBytes > 0 && bytes >= c.MaxBytes {
			return batch, true
		}
		if c.MaxAge > 0 && tooOld == nil {
			tooOld = time.After(c.MaxAge)
		}
		select {
		case <-tooOld: // even if more keeps coming
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
			case <-tooOld:
				return batch, true
			}
		}
		if !ok {
			return batch, false
		}
	}
}
