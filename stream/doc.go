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
// # Caveats
//
// What the stream has taken has left the kernel. A process that is killed loses
// what it had not handled: up to Config.Buffer+1 messages, and those that the
// program has in hand. Of a queue that can lend its messages, package
// ipcmq/stream/lease handles each and acknowledges it then.
package stream
