// Package batch sends many small messages as one message of a queue, a frame, so that they share
// the cost of a system call on both sides.
//
// [New] wraps a queue in another. Add gathers messages, and Flush sends them:
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
// The other side opens the same queue, calls New as well, and receives messages one by one, or
// passes its [Queue] to mq.All, mq.AllInto, a stream or a mux.
//
// # Frames
//
// A frame holds messages of one type and one priority, and has these itself. So selectors, and the
// order within a type or priority, are those of the underlying queue. A single message is sent
// unchanged: programs that do not know frames understand it.
//
// A frame begins with the bytes ba 7c fe 01; then come the messages, each as its length, a minimal
// varint as in encoding/binary, and its bytes. A payload that does not parse as a frame to its last
// byte is an ordinary message, from a program that does not use this package. A payload that begins
// with ba 7c fe is sent alone in a frame, so that it arrives unchanged.
//
// # Send and Add
//
// A message is in the queue when Send returns nil. After Add it is in the memory of the process,
// until Flush, until no more messages fit into the frame, until a message of another type or
// priority is added, or until its age reaches Config.MaxAge. The call that sends a frame returns
// the error if that fails; when sending by age fails, the next Add or TryAdd returns the error, and
// sending is retried meanwhile. Messages that were not sent stay added. After Close, Unsent returns
// them.
//
// # Receiving
//
// A frame leaves the queue when the first of its messages is received. The [Queue] keeps the others
// for calls that select them: those that wait already, with any selector, and later ones. So
// leaving a loop, or shutting down a stream or mux, loses nothing; after Close, Unread returns
// them.
//
// Once system calls are shared, memory costs most: mq.AllInto and ReceiveInto, which reuse theirs,
// can be several times as fast as the other methods.
//
// # Leases
//
// On a queue that lends its messages, an [mq.Leaser], a [Queue] lends the messages of frames one by
// one, each with its own lease. So lease.Handle handles, repeats and dead-letters each message
// individually. A frame is acknowledged when all its messages are.
//
// A message that is given back, or whose lease runs out, is put back into the queue as a single
// message, and keeps its number and its attempts; the first receiver to take it gives it back once
// more, for its delay. (There it begins with ba 7c fe 02; number, attempts and the delay in
// milliseconds follow as varints, and then the payload.) If that is not possible, because the queue
// is full or the handle may not send, the same [Queue] lends the message again.
//
// Until the last message of a frame is acknowledged or given back, only this process knows which of
// the others are done. If it is killed, the whole frame is lent again, and those are handled twice.
// In that case each message is put back into the queue as a single message, so that one that kills
// its holders does not affect the others.
//
// Sequence is the number of the frame times 65,536, plus the position of the message in the frame,
// which holds up to 65,536 messages.
//
// A [Queue] that takes a frame keeps the messages that it has not lent for the next calls, as long
// as calls for leases wait or messages of the frame are held. Messages that nobody asks for within
// the length of a lease are given back; Shutdown gives them back immediately. After Close, leases
// run out.
//
// # Caveats
//
// A killed process loses the frame that it was receiving, unless that is on lease, and the messages
// that it had added but not sent.
//
// A selector sees only what is in the queue: an urgent message waits until the messages of a frame
// that was taken before it are received.
//
// Goroutines of a process should share one [Queue], and with it the messages of a
// frame; processes compete for whole frames.
//
// A program that counts, peeks at or lists the messages of the underlying queue sees frames.
//
// A payload from a frame shares memory with the others of the frame: as long as one of them is
// kept, up to Config.Size bytes (of the sender) stay in memory.
package batch
