package mux

import (
	"context"
	"iter"

	"ipcmq/internal/reader"
	"ipcmq/mq"
)

// All returns an iterator over the messages of [Subscription.Messages], waiting
// for each until ctx ends. The iteration ends with the subscription; if an error
// of the queue ended the mux, or the end of ctx came first, that comes last, with
// a zero Message.
//
//	for m, err := range s.All(ctx) {
//		if err != nil {
//			return err
//		}
//		handle(m)
//	}
//
// Leaving the loop early takes nothing more from the channel, and the
// subscription continues. Several loops may run at once; each message goes to one
// of them.
func (s *Subscription) All(ctx context.Context) iter.Seq2[mq.Message, error] {
	return reader.All(ctx, s.selector.String(), s.box.messages, s.mux.Err)
}
