package mq

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// SendOptions are what a message is sent with that not all queues know; see [SendWith].
type SendOptions struct {
	// ID is the sender's own id of the message: what has the id of a message that the
	// queue has stored lately is taken for the same, and not stored again. So a sender
	// that was killed, and does not know how far it came, begins again. It is 1 to 128
	// characters of ASCII that can be seen; "" lets the queue choose one.
	ID string

	// TTL is how long the message may be in the queue: then it is removed, received or
	// not. 0 is no limit.
	TTL time.Duration
}

// maxID is the most characters that an id has.
const maxID = 128

// Validate returns an error that matches [ErrInvalidConfig] if no queue takes o.
func (o SendOptions) Validate() error {
	bad := func(format string, args ...any) error {
		return &Error{Op: "send", Kind: ErrInvalidConfig, Detail: fmt.Sprintf(format, args...)}
	}
	if len(o.ID) > maxID {
		return bad("the ID has %d characters, the limit is %d", len(o.ID), maxID)
	}
	for _, r := range o.ID {
		if r <= ' ' || r > '~' {
			return bad("the ID %q has %q in it, and may have characters of ASCII that can be seen", o.ID, r)
		}
	}
	if o.TTL < 0 {
		return bad("TTL = %v is negative; 0 is no limit", o.TTL)
	}
	return nil
}

// An OptionSender is a [Sender] whose messages may have options.
type OptionSender interface {
	Sender

	// SendWith is Send with options.
	SendWith(ctx context.Context, m Message, o SendOptions) error
}

// SendWith sends m with options. Without any it is s.Send. The error matches
// [errors.ErrUnsupported], and nothing was sent, if s does not know the options, or a
// queue that s wraps, see [As]: those on JetStream do, those of the kernel do not.
//
// Options are an argument, and no values of a context as those of [WithHeader] are: a
// context goes on to other sends, and of two messages with one id the second would be
// lost. And what is to be stored once, or to expire, must not be sent without.
func SendWith(ctx context.Context, s Sender, m Message, o SendOptions) error {
	if o == (SendOptions{}) {
		return s.Send(ctx, m)
	}
	if with, ok := s.(OptionSender); ok {
		return with.SendWith(ctx, m, o)
	}
	if q, ok := s.(Queue); ok {
		if with, ok := As[OptionSender](q); ok {
			return with.SendWith(ctx, m, o)
		}
	}
	return &Error{Op: "send", Kind: errors.ErrUnsupported, Detail: fmt.Sprintf("%T knows neither ids of messages nor a TTL; queues on JetStream do", s)}
}

// IDOf returns the id of a message that is lent, its sender's own or one that the queue
// chose; "" in queues whose messages have none.
func IDOf(l Lease) string {
	if i, ok := l.(interface{ ID() string }); ok {
		return i.ID()
	}
	return ""
}

// StoredAt returns when a message that is lent was stored, by the clock of the server that
// keeps the queue; the zero time if the queue does not know.
func StoredAt(l Lease) time.Time {
	if s, ok := l.(interface{ Stored() time.Time }); ok {
		return s.Stored()
	}
	return time.Time{}
}
