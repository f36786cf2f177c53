package reader

import (
	"context"
	"iter"
	"time"

	"ipcmq/internal/handle"
	"ipcmq/mq"
)

// Drain takes the messages in a channel, whether it is closed or not.
func Drain(ch <-chan mq.Message) (messages []mq.Message) {
	for {
		select {
		case m, ok := <-ch:
			if !ok {
				return messages
			}
			messages = append(messages, m)
		default:
			return messages
		}
	}
}

// AwaitRead waits until buffered, the number of messages in channels that get no
// more messages, is 0. It returns false if ctx ended first. Since nothing
// signals when a buffered channel has been emptied, it polls.
func AwaitRead(ctx context.Context, buffered func() int) bool {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for wait := 50 * time.Microsecond; buffered() > 0; wait = min(2*wait, 10*time.Millisecond) {
		pause.Reset(wait)
		select {
		case <-pause.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// All returns an iterator over the messages of a channel, waiting for each until
// ctx ends. After the end of the channel, or of ctx, it yields the reason, if
// there is one, with a zero message: the result of why, or the error of ctx.
func All(ctx context.Context, of string, ch <-chan mq.Message, why func() error) iter.Seq2[mq.Message, error] {
	return func(yield func(mq.Message, error) bool) {
		for {
			var m mq.Message
			var ok bool
			if ctx.Err() == nil {
				select {
				case m, ok = <-ch:
				case <-ctx.Done():
				}
			}
			if ok {
				if !yield(m, nil) {
					return
				}
				continue
			}
			err := why()
			if ctx.Err() != nil {
				err = handle.Ended("receive", of, ctx)
			}
			if err != nil {
				yield(mq.Message{}, err)
			}
			return
		}
	}
}
