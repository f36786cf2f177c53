package mq

import (
	"context"
	"time"
)

// A Leaser is a queue that can lend its messages. A lent message stays stored
// until it is acknowledged: if the holder dies or takes too long, the message is
// lent again. System V queues with a key can do this, and JetStream; a message
// received from a POSIX queue is gone.
type Leaser interface {
	Queue

	// SelectLeases is Select for leases. The error matches
	// [errors.ErrUnsupported] if this queue cannot lend what s selects.
	SelectLeases(s Selector) (LeaseReceiver, error)
}

// A LeaseReceiver takes messages on lease. Those of System V queues also have a
// method TryLease() (Lease, error), which never waits.
type LeaseReceiver interface {
	// Lease takes the next message on lease, waiting for one until ctx ends or
	// the queue is closed or removed. If it returns an error, nothing is lent.
	Lease(ctx context.Context) (Lease, error)

	// LeaseBatch waits like Lease for the first message, and also takes those
	// that are there already, up to n in all; n is 1 or more.
	LeaseBatch(ctx context.Context, n int) ([]Lease, error)
}

// A BatchAcker is a [LeaseReceiver] that acknowledges many leases at a lower cost than
// one by one. Handlers of ipcmq/stream/lease use it on queues of other hosts.
type BatchAcker interface {
	LeaseReceiver

	// AckBatch acknowledges leases that come from this receiver and returns, for each
	// of them, what its Ack might have: nil if the message is certainly removed. It
	// waits for one answer for each, and repeats nothing.
	AckBatch(ctx context.Context, leases []Lease) []error
}

// A Lease is a message that is lent: nobody else gets it until Deadline. Each
// of Ack and Nak ends the lease; use one of them, once. The methods may be called
// by several goroutines at once.
//
// A lease that has run out may still be acknowledged, given back or extended, as
// long as nobody else has the message. Afterwards a queue with
// Capabilities.SeesLeaseOver returns [ErrLeaseOver], and the message stays with its
// new holder. Other queues cannot detect this: there Ack removes the message
// anyway, and Nak and Extend return nil but do not get it back. Extend in time.
//
// A lease may have a method Uncertain() bool. If it reports true, the length of the
// payload is not certain; see Uncertain of the leases of package mq/sysv.
// [HeaderOf], [IDOf] and [StoredAt] call the methods Header() Header, ID() string and
// Stored() time.Time, if a lease has them.
type Lease interface {
	// Message returns the message. Its Data belongs to the holder.
	Message() Message

	// Sequence returns the number of the message in its queue. It is the same
	// each time the message is lent, so it identifies a repeated message.
	Sequence() uint64

	// Attempt returns how many times the message was lent, this time included.
	Attempt() int

	// Deadline returns when the lease runs out, by the local clock.
	Deadline() time.Time

	// Ack removes the message from the queue and returns once that is
	// certain. The error matches [ErrInDoubt] if it may have been removed;
	// Ack may then be called again.
	Ack(ctx context.Context) error

	// Nak gives the message back, to be lent again after delay. The error
	// matches [ErrInDoubt] if it may have been given back; do not repeat Nak
	// then, which could take the message from its next holder.
	Nak(ctx context.Context, delay time.Duration) error

	// Extend makes the lease last as long as a new one, from now. If it had run
	// out before, the new Deadline means nothing.
	Extend(ctx context.Context) error
}
