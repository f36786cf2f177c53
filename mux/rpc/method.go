package rpc

import (
	"context"
	"fmt"
	"iter"

	"ipcmq/mq"
	"ipcmq/mq/codec"
)

// A Method is requests of one type whose payloads, and those of their replies, are
// Go values. Declared once, it serves both clients and servers.
type Method[Req, Resp any] struct {
	Type    int64 // of the messages; 0 in queues without types
	Request codec.Codec[Req]
	Reply   codec.Codec[Resp]
}

// Call makes a request of v with c and returns the reply. The errors are those of
// [Client.Request]; that of Encode, before anything is sent; and a
// [*codec.Error], which holds the reply as it came, if it cannot be decoded.
func (m Method[Req, Resp]) Call(ctx context.Context, c *Client, v Req) (reply Resp, err error) {
	request, err := m.Request.Payload(v)
	if err != nil {
		return reply, fmt.Errorf("request of type %d: %w", m.Type, err)
	}
	data, err := c.Request(ctx, m.Type, request)
	if err != nil {
		return reply, err
	}
	return m.Reply.Value(mq.Message{Type: replyType, Data: data})
}

// Replies makes a request of v with c, like [Client.Replies], for the replies of
// [Method.Replier]. A reply that cannot be decoded is a [*codec.Error], which holds
// it as it came, and the iteration continues.
func (m Method[Req, Resp]) Replies(ctx context.Context, c *Client, v Req) iter.Seq2[Resp, error] {
	return func(yield func(Resp, error) bool) {
		var none Resp
		request, err := m.Request.Payload(v)
		if err != nil {
			yield(none, fmt.Errorf("request of type %d: %w", m.Type, err))
			return
		}
		for data, err := range c.Replies(ctx, m.Type, request) {
			reply := none
			if err == nil {
				reply, err = m.Reply.Value(mq.Message{Type: replyType, Data: data})
			}
			if !yield(reply, err) {
				return
			}
		}
	}
}

// Handle answers the requests of the method in q with h, like the function
// [Handle].
func (m Method[Req, Resp]) Handle(ctx context.Context, q mq.Queue, h func(context.Context, Req) (Resp, error), cfg *Config) error {
	if h == nil {
		return Handle(ctx, q, m.Type, nil, cfg)
	}
	return Handle(ctx, q, m.Type, m.Handler(h), cfg)
}

// Replier returns h as a [Handler] of many replies, see [Replies] and [Replier]. A
// request that cannot be decoded is answered with CodeBadRequest, and h does not see
// it.
func (m Method[Req, Resp]) Replier(h func(ctx context.Context, request Req, reply func(Resp) error) error) Handler {
	if h == nil {
		return nil
	}
	return Replies(func(ctx context.Context, request []byte, reply func([]byte) error) error {
		v, err := m.Request.Value(mq.Message{Type: m.Type, Data: request})
		if err != nil {
			return &RemoteError{Code: CodeBadRequest, Text: err.Error()}
		}
		return h(ctx, v, func(r Resp) error {
			data, err := m.Reply.Payload(r)
			if err != nil {
				return err
			}
			return reply(data)
		})
	})
}

// Handler returns h as a [Handler]. A request that cannot be decoded is answered
// with CodeBadRequest, and h does not see it.
func (m Method[Req, Resp]) Handler(h func(context.Context, Req) (Resp, error)) Handler {
	return func(ctx context.Context, request []byte) ([]byte, error) {
		v, err := m.Request.Value(mq.Message{Type: m.Type, Data: request})
		if err != nil {
			return nil, &RemoteError{Code: CodeBadRequest, Text: err.Error()}
		}
		reply, err := h(ctx, v)
		if err != nil {
			return nil, err
		}
		return m.Reply.Payload(reply)
	}
}
