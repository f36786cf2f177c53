package stream

import (
	"context"
	"iter"

	"ipcmq/internal/reader"
	"ipcmq/mq"
)

// All returns an iterator over the messages of [Stream.Messages], waiting for
// each until ctx ends. The iteration ends with the stream; if an error of the
// queue or the end of ctx ended it, that comes last, with a zero Message.
//
//	for m, err := range s.All(ctx) {
//		if err != nil {
//			return err
//		}
//		handle(m)
//	}
//
// Leaving the loop early takes nothing more from the channel, and the stream
// continues. Several loops may run at once; each message goes to one of them.
//
// A program that needs neither a channel nor Shutdown can use [mq.All], which
// needs no goroutine.
func (s *Stream) All(ctx context.Context) iter.Seq2[mq.Message, error] {
	return reader.All(ctx, "", s.messages, s.Err)
}
