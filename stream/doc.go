// Package stream makes a queue a channel.
//
//	s, err := stream.New(q, nil)
//	if err != nil {
//		return err
//	}
//	defer s.Close()
//	for m := range s.Messages() {
//		handle(m)
//	}
//	return s.Err()
//
// A goroutine of the stream takes messages from the queue and puts them into the
// channel, in the order in which the queue gives them. If nobody reads, it stops
// when the channel is full; from then on messages wait in the queue, and when
// that is full, its senders wait.
//
// # Ending a stream
//
// A stream ends in one of three ways. [Stream.Shutdown] takes nothing more and
// waits until everything it took has been read. [Stream.Close] ends at once and
// keeps what was not read for [Stream.Unread]. And an error of the queue, such
// as its removal, ends it after everything it took has been read; [Stream.Err]
// says which. The channel is closed in each case, so that a range over it ends.
// The queue stays open.
//
// # Acknowledged handling
//
// What a stream takes is gone from the queue. A queue that can lend its messages,
// an [mq.Leaser], keeps each until it is acknowledged, and [HandleLeased] does
// that once a message was handled; if its handler fails or its process is
// killed, the message is handled again:
//
//	err := stream.HandleLeased(ctx, q, func(ctx context.Context, d stream.Delivery) error {
//		return store(ctx, d.Data)
//	}, nil)
//
// Queues of the kernel cannot lend, and are refused. In tests, the queue in
// memory of ipcmq/mq/mqtest can.
//
// # Caveats
//
// What the stream has taken has left the kernel. A process that is killed loses
// what it had not handled: up to Config.Buffer+1 messages, and those that the
// program has in hand.
//
// A message may be handled more than once with HandleLeased: if a process is
// killed before the message was acknowledged, or a lease cannot be extended. A
// message that is given back comes after others that were sent later.
package stream
