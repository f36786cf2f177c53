package otel

import (
	"context"
	"iter"

	"go.opentelemetry.io/otel/attribute"

	"ipcmq/mux/rpc"
)

// repliesGot is how many replies a range has received.
const repliesGot = attribute.Key("ipcmq.rpc.replies")

// Replies is [rpc.Client.Replies] with the range in a span, whose context travels with
// the request. The span ends with the range. Each reply counts as received.
func (c *Client) Replies(ctx context.Context, t int64, data []byte) iter.Seq2[[]byte, error] {
	return over(ctx, c.ranges, t, len(data), func(ctx context.Context) iter.Seq2[[]byte, error] { return c.Client.Replies(ctx, t, data) },
		func(reply []byte) int { return len(reply) })
}

// Replies is [rpc.Method.Replies] through a tracing client, as [Client.Replies].
func Replies[Req, Resp any](ctx context.Context, m rpc.Method[Req, Resp], c *Client, v Req) iter.Seq2[Resp, error] {
	return over(ctx, c.ranges, m.Type, -1, func(ctx context.Context) iter.Seq2[Resp, error] { return m.Replies(ctx, c.Client, v) },
		func(Resp) int { return 0 })
}

// over runs a range over replies in a span.
func over[T any](ctx context.Context, c *calls, t int64, size int, do func(context.Context) iter.Seq2[T, error], sizeOf func(T) int) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		ctx, end := c.beginRequest(ctx, t, size)
		n, failed := 0, error(nil)
		defer func() { end(failed, repliesGot.Int(n)) }() // also if the loop panics
		for reply, err := range do(ctx) {
			if failed = err; err == nil {
				n++
				c.count(ctx, 1, sizeOf(reply), nil)
			}
			if !yield(reply, err) {
				return
			}
		}
	}
}
