package codec

import (
	"context"
	"iter"

	"ipcmq/mq"
)

// Values returns an iterator over the values of the messages from a channel, such
// as that of a stream or a subscription. It ends when the channel is closed; Err
// of the stream or subscription says why. Its errors are [*Error], and it
// continues after them.
//
// Leaving the loop early takes nothing more from the channel.
func Values[T any](messages <-chan mq.Message, c Codec[T]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for m := range messages {
			if !yield(c.Value(m)) {
				return
			}
		}
	}
}

// All returns an iterator over the values of the messages of another iterator,
// such as mq.All, mq.AllInto or Stream.All. A message that cannot be decoded is an
// [*Error], and the iteration continues; an error of messages itself is passed on.
// In a loop over mq.AllInto, the message of an Error is valid until the next turn.
func All[T any](messages iter.Seq2[mq.Message, error], c Codec[T]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for m, err := range messages {
			var v T
			if err == nil {
				v, err = c.Value(m)
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

// A Sender sends values. It may be used by several goroutines at once if the
// underlying sender may.
type Sender[T any] struct {
	to     mq.Sender
	header mq.Message
	codec  Codec[T]
}

// NewSender returns a sender of values on top of to, which sends them as
// messages with the type and priority of header.
func NewSender[T any](to mq.Sender, header mq.Message, c Codec[T]) *Sender[T] {
	return &Sender[T]{to: to, header: header, codec: c}
}

// Message returns the message that Send would send.
func (s *Sender[T]) Message(v T) (mq.Message, error) {
	data, err := s.codec.Payload(v)
	if err != nil {
		return mq.Message{}, err
	}
	return mq.Message{Type: s.header.Type, Priority: s.header.Priority, Data: data}, nil
}

// Send sends v, waiting for room until ctx ends. See [mq.Sender]; if v cannot be
// encoded, the error is that of the codec, and nothing was sent.
func (s *Sender[T]) Send(ctx context.Context, v T) error {
	m, err := s.Message(v)
	if err != nil {
		return err
	}
	return s.to.Send(ctx, m)
}

// TrySend is Send without waiting.
func (s *Sender[T]) TrySend(v T) error {
	m, err := s.Message(v)
	if err != nil {
		return err
	}
	return s.to.TrySend(m)
}
