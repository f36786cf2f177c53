package mq

import (
	"context"
	"fmt"
	"io"
	"iter"
)

// A Sender puts messages into a queue.
type Sender interface {
	// Send adds m to the queue, waiting for room until ctx ends or the queue is
	// closed or removed. If it returns an error, m was not sent; a queue with
	// Capabilities.Remote has one exception, [ErrInDoubt].
	//
	// The error matches [ErrTooLarge] if m can never fit, and [ErrInvalidType]
	// or [ErrInvalidPriority] if m cannot be sent at all; these are returned
	// immediately.
	Send(ctx context.Context, m Message) error

	// TrySend is Send without waiting: if there is no room now the error
	// matches [ErrFull].
	TrySend(m Message) error
}

// A Receiver takes messages out of a queue. It leaves those that it does not
// select.
//
// The four methods differ in two ways: those named Try never wait, and those
// named Into reuse memory.
type Receiver interface {
	// Receive takes the next message, waiting for one until ctx ends or the
	// queue is closed or removed. If it returns an error, nothing was taken.
	Receive(ctx context.Context) (Message, error)

	// ReceiveInto is Receive into *m. The payload goes into m.Data, whose
	// memory is reused if its capacity suffices and replaced if not. If it
	// returns an error, *m is unchanged.
	ReceiveInto(ctx context.Context, m *Message) error

	// TryReceive is Receive without waiting: if there is no message now the
	// error matches [ErrEmpty].
	TryReceive() (Message, error)

	// TryReceiveInto is ReceiveInto without waiting.
	TryReceiveInto(m *Message) error
}

// A Queue is an open kernel queue, or another queue that behaves like one.
// Its own receiving methods select [Any].
type Queue interface {
	Sender
	Receiver

	// Select returns a receiver of the messages that s selects. It need not be
	// closed; closing the queue ends it. The error matches [ErrInvalidType] if
	// s is not valid and [errors.ErrUnsupported] if the queue cannot select
	// that way.
	Select(s Selector) (Receiver, error)

	// Capabilities reports what the queue can do, with the limits in force
	// now.
	Capabilities() Capabilities

	// Close gives up this handle: every call that is blocked on it, and every
	// later one, returns an error that matches [ErrClosed]. The queue itself
	// and its messages stay. Close may be called more than once.
	io.Closer
}

// Capabilities says what a queue can do.
type Capabilities struct {
	// MaxType is the largest message type; 0 if messages have no type.
	MaxType int64

	// MaxPriority is the highest message priority; 0 if messages have none.
	MaxPriority uint32

	// MaxPayload is the largest payload in bytes that the queue would accept
	// now; 0 if that is not known, or nothing can be sent.
	MaxPayload int

	// Selectors lists the kinds of selectors that Select accepts. Every queue
	// has SelectAny.
	Selectors []SelectorKind

	// SeesRemoval reports that calls on an open queue fail with [ErrRemoved]
	// once someone has removed it. Without it the queue lives on, unnamed,
	// until its last user closes it.
	SeesRemoval bool

	// Exclusive reports that a message can be selected in one way only: Select,
	// or the first use of what it returned, is refused with
	// [errors.ErrUnsupported] if the selector overlaps another that is in use by
	// anyone, such as Any alongside Type(5).
	Exclusive bool

	// SeesLeaseOver reports that Ack, Nak and Extend of a lease fail with
	// [ErrLeaseOver] if someone else has the message by then.
	SeesLeaseOver bool

	// LentLeavesRoom reports that lent messages take up no room in the queue.
	LentLeavesRoom bool

	// Headers reports that messages carry the header given by [WithHeader], and that
	// [HeaderOf] returns it for lent messages.
	Headers bool

	// Remote reports that the queue is on another host, so that answers can be
	// lost: Send may return an error that matches [ErrInDoubt], after which m may
	// or may not have been sent, and a message whose removal was not confirmed
	// may be received twice. No message is lost for that reason.
	Remote bool
}

// All returns an iterator over the messages that r receives, waiting for each
// with ctx. The iteration ends after the first error, which comes with a zero
// Message; it is the last pair. Leaving the loop early takes nothing more.
//
//	for m, err := range mq.All(ctx, q) {
//		if err != nil {
//			return err
//		}
//		handle(m)
//	}
func All(ctx context.Context, r Receiver) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for {
			m, err := r.Receive(ctx)
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// AllInto is All with one buffer for the payloads of all messages: m.Data is
// valid until the next turn of the loop, like the bytes of a bufio.Scanner.
// Clone what must last longer.
func AllInto(ctx context.Context, r Receiver) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		var m Message
		for {
			if err := r.ReceiveInto(ctx, &m); err != nil {
				yield(Message{}, err)
				return
			}
			if !yield(m, nil) {
				return
			}
		}
	}
}

// A BatchReceiver is a [Receiver] that takes many messages at a lower cost than one
// by one. [ReceiveBatch] uses it, and streams and muxes of queues on other hosts.
type BatchReceiver interface {
	Receiver

	// ReceiveBatch waits like Receive for the first message, and takes with it
	// those that are there already, up to n in all or a limit of the queue; n is 1
	// or more. If it returns an error, nothing was taken.
	ReceiveBatch(ctx context.Context, n int) ([]Message, error)
}

// ReceiveBatch takes up to n messages, waiting for the first one: with ReceiveBatch
// if r is a [BatchReceiver], and otherwise one message with Receive. If it returns an
// error, nothing was taken.
func ReceiveBatch(ctx context.Context, r Receiver, n int) ([]Message, error) {
	if b, ok := r.(BatchReceiver); ok {
		return b.ReceiveBatch(ctx, n)
	}
	if n < 1 {
		return nil, &Error{Op: "receive", Kind: ErrInvalidConfig, Detail: fmt.Sprintf("a batch of %d messages; 1 is the least", n)}
	}
	m, err := r.Receive(ctx)
	if err != nil {
		return nil, err
	}
	return []Message{m}, nil
}

// A BatchSender is a [Sender] that sends many messages at a lower cost than one
// by one. [SendBatch] uses it.
type BatchSender interface {
	Sender

	// SendBatch sends messages in their order, waiting for room like Send. It
	// returns how many were sent: the first n. If n is less than
	// len(messages), err says why the next one was not sent; after an error
	// that matches [ErrInDoubt], the next ones may have been sent.
	SendBatch(ctx context.Context, messages []Message) (n int, err error)
}

// SendBatch sends messages in their order: with SendBatch if s is a
// [BatchSender], and otherwise one by one. It returns how many were sent, the
// first n, and if that is not all of them, why the next one was not sent.
func SendBatch(ctx context.Context, s Sender, messages []Message) (n int, err error) {
	if b, ok := s.(BatchSender); ok {
		return b.SendBatch(ctx, messages)
	}
	for n, m := range messages {
		if err := s.Send(ctx, m); err != nil {
			return n, err
		}
	}
	return len(messages), nil
}
