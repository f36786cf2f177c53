// Package stream turns a queue into a channel.
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
// channel, in the order in which the queue delivers them. If nobody reads, it
// stops when the channel is full; from then on messages wait in the queue, and
// when that is full, its senders wait.
//
// # Ending a stream
//
// A stream ends in one of three ways. [Stream.Shutdown] takes nothing more and
// waits until everything it took has been read. [Stream.Close] ends immediately
// and keeps what was not read for [Stream.Unread]. An error of the queue, such
// as its removal, ends it after everything it took has been read; [Stream.Err]
// returns the error. The channel is closed in each case, so that a range over it
// ends. The queue stays open.
//
// # Caveats
//
// Messages that the stream has taken are no longer in the kernel. A killed
// process loses those that it had not handled: up to Config.Buffer+1 messages,
// and those that the program was handling. With a queue that can lend its
// messages, package ipcmq/stream/lease acknowledges each after it was handled.
package stream
