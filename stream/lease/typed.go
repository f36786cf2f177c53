package lease

import (
	"context"

	"ipcmq/mq/codec"
)

// Typed returns a handler of values for [Handle]: h gets each message as c decodes
// it, with the delivery that it is from.
//
// One that cannot be decoded fails with an [*codec.Error] and is tried again, by
// this process or another that may know better, until MaxAttempts give it to
// DeadLetter, as it came. Set these, or it stays in the queue.
func Typed[T any](c codec.Codec[T], h func(ctx context.Context, v T, d Delivery) error) Handler {
	return func(ctx context.Context, d Delivery) error {
		v, err := c.Value(d.Message)
		if err != nil {
			return err
		}
		return h(ctx, v, d)
	}
}
