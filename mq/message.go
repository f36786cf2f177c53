package mq

// A Message is the unit that a send puts into a queue and a receive takes out.
type Message struct {
	// Type is the System V message type, 1 to 2^63-1; on 32-bit systems 1 to
	// 2^31-1. A receiver built for 32 bits gets the lower 32 bits, signed, of a
	// type above that, which may be 0 or negative. Queues without types ignore it
	// on send and leave it 0 on receive.
	Type int64

	// Priority is the POSIX message priority, 0 to 32767; the highest is
	// received first. Queues without priorities ignore it on send and leave it
	// 0 on receive.
	Priority uint32

	// Data is the payload; it may be empty. A queue does not keep or change the
	// slice of a message it is asked to send, and a received slice belongs to
	// the receiver.
	Data []byte

	// Truncated reports that the message was longer than the receiver had asked
	// for and that the rest is gone. It is never set unless the queue was
	// opened with a limit for this, or is of package ipcmq/mq/large and the
	// payload is missing.
	Truncated bool
}
