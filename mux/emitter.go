package mux

import (
	"context"

	"ipcmq/internal/handle"
	"ipcmq/mq"
)

// On calls f with each message that s selects, one after the other in the order
// of the queue, in a separate goroutine. The messages belong to f. To handle
// several at once, range over the Messages of one subscription in several
// goroutines.
//
// The function that On returns ends it: no more messages are taken for f, but
// those already taken still reach it. It returns immediately and may be called
// from within f. The errors are those of [Mux.Subscribe].
func (m *Mux) On(s mq.Selector, f func(mq.Message), cfg *SubscribeConfig) (off func(), err error) {
	c, err := cfg.check("on")
	if err != nil {
		return nil, err
	}
	sub, err := m.subscribe("on", s, c, true)
	if err != nil {
		return nil, err
	}
	go m.consume(sub, f)
	return sub.Drain, nil
}

// consume calls f with the messages of sub until sub has ended. If f calls
// runtime.Goexit, another goroutine continues.
func (m *Mux) consume(sub *Subscription, f func(mq.Message)) {
	ended := false
	defer func() {
		if ended {
			m.callbacks.Done()
		} else {
			go m.consume(sub, f)
		}
	}()
	for msg := range sub.box.messages {
		f(msg)
	}
	ended = true
}

// Once waits for the next message that s selects, takes exactly that one, and
// leaves what comes after it in the queue. If it returns an error, it has taken
// nothing. The error matches ctx.Err() and the cause of ctx, [mq.ErrClosed], or
// those of [Mux.Subscribe].
func (m *Mux) Once(ctx context.Context, s mq.Selector) (mq.Message, error) {
	if ctx.Err() != nil {
		return mq.Message{}, handle.Ended("once", s.String(), ctx)
	}
	sub, err := m.subscribe("once", s, SubscribeConfig{Buffer: 1, Limit: 1}, false)
	if err != nil {
		return mq.Message{}, err
	}
	select {
	case msg, ok := <-sub.box.messages:
		if !ok {
			return mq.Message{}, m.closed("once")
		}
		return msg, nil
	case <-ctx.Done():
	}
	_ = sub.Unsubscribe()
	if unread := sub.Unread(); len(unread) > 0 {
		return unread[0], nil // the message came before the end of ctx
	}
	return mq.Message{}, handle.Ended("once", s.String(), ctx)
}
