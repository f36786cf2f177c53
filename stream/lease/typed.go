package lease

import (
	"context"

	"ipcmq/mq/codec"
)

// Typed returns a handler of values for [Handle]: h gets each message as c decodes
// it, with its delivery.
//
// A message that cannot be decoded fails with a [*codec.Error] and is tried again,
// by this process or another that may be able to, until after MaxAttempts it goes
// to DeadLetter unchanged. Set both, or it stays in the queue.
func Typed[T any](c codec.Codec[T], h func(ctx context.Context, v T, d Delivery) error) Handler {
	return func(ctx context.Context, d Delivery) error {
		v, err := c.Value(d.Message)
		if err != nil {
			return err
		}
		return h(ctx, v, d)
	}
}

// TypedBatch is [Typed] for [HandleBatches]: h gets the values that c decodes,
// with the deliveries at the same indexes. Messages that cannot be decoded fail
// individually, and h does not get them.
func TypedBatch[T any](c codec.Codec[T], h func(ctx context.Context, values []T, batch []Delivery) error) BatchHandler {
	return func(ctx context.Context, batch []Delivery) error {
		failed := Failed{}
		var values []T
		var good []Delivery
		var indexes []int
		for i, d := range batch {
			v, err := c.Value(d.Message)
			if err != nil {
				failed[i] = err
				continue
			}
			values, good, indexes = append(values, v), append(good, d), append(indexes, i)
		}
		if len(good) == 0 {
			return failed
		}
		h := BatchHandler(func(ctx context.Context, good []Delivery) error { return h(ctx, values, good) })
		for i, err := range h.call(ctx, good) {
			if err != nil {
				failed[indexes[i]] = err
			}
		}
		return failed
	}
}
