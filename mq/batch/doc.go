// Package batch sends many small messages as one message of a queue, a frame, so
// that they share the cost of a system call on either side.
//
// [New] makes a queue of a queue. What its Add gathers, Flush sends:
//
//	b, err := batch.New(q, nil)
//	if err != nil {
//		return err
//	}
//	for _, line := range lines {
//		if err := b.Add(ctx, mq.Message{Type: 1, Data: line}); err != nil {
//			return err
//		}
//	}
//	return b.Flush(ctx)
//
// The other side opens the same queue, calls New as well, and receives messages
// one by one, or gives its [Queue] to mq.All, mq.AllInto, a stream or a mux.
//
// # Frames
//
// A frame holds messages of one type and one priority, and has these itself. So
// selectors, and the order within a type or priority, are those of the queue
// beneath. A message that is alone is sent as it is: who does not know frames
// understands it.
//
// A frame begins with the bytes ba 7c fe 01; then comes each message as its
// length, a varint as of encoding/binary without needless bytes, and its bytes.
// What does not parse as a frame to its last byte is a message like any other,
// from a program that does not use this package. A payload that begins with ba 7c
// fe is sent in a frame of its own, so that it arrives as it is.
//
// # Send and Add
//
// A message is in the queue when Send returns nil. After Add it is in the
// memory of the process, until Flush, until no more messages fit into the frame,
// until a message of another type or priority is added, or until it is as old as
// Config.MaxAge. An error of sending the frame comes from the call that sends it;
// an error of sending by age comes from the next Add or TryAdd, and the frame is
// tried again meanwhile. What was not sent stays added. When the queue is closed,
// Unsent returns it.
//
// # Receiving
//
// A frame leaves the queue with the first of its messages that is received. The
// others stay with the [Queue], for whoever receives what they are: calls that
// wait already, with whatever selector, and later ones. So a loop that is left,
// or a stream or mux that is shut down, loses nothing; after Close, Unread returns
// them.
//
// Once system calls are shared, memory is what costs most: mq.AllInto and
// ReceiveInto, which use theirs again, can be several times as fast as the rest.
//
// # Leases
//
// Over a queue that lends its messages, an [mq.Leaser], a [Queue] lends those of
// frames one by one, each with a lease of its own. So lease.Handle handles,
// repeats and dead-letters each for itself. A frame is acknowledged when all its
// messages are.
//
// A message that is given back, or whose lease runs out, is put into the queue by
// itself, and keeps its number and its attempts; whoever takes it first gives it
// back for its delay. (It begins with ba 7c fe 02 there; number, attempts and the
// delay in milliseconds follow as varints, and then the payload.) Where that
// cannot be, because the queue is full or the handle may not send, the message is
// lent again by the same [Queue].
//
// Until the last message of a frame was acknowledged or given back, it is this
// process that knows about the others. If it is killed, the frame comes again as a whole, and those
// are handled twice. Then each message is put into the queue by itself, so that one
// that kills its holders does not take the others along.
//
// Sequence is the number of the frame times 65,536, plus the place of the message
// in the frame, which has up to 65,536.
//
// Whoever takes a frame keeps what is not lent of it for the next calls, as long
// as calls for leases wait or messages of it are held. What nobody has asked for
// in the time of a lease is given back; Shutdown gives it back at once. After
// Close, leases run out.
//
// # Caveats
//
// A process that is killed loses the frame that it was receiving, unless that is on
// lease, and what it had added and not sent.
//
// A selector sees what is in the queue: an urgent message waits while the
// messages of a frame that was taken before it are received.
//
// Goroutines of a process should share one [Queue], and with it the messages of a
// frame; processes compete for whole frames.
//
// A program that counts, peeks at or lists the queue beneath sees frames.
//
// A payload from a frame shares memory with those beside it: up to Config.Size of
// the sender stay in memory as long as one of them is kept.
package batch
