package reader

import (
	"context"
	"time"

	"ipcmq/mq"
)

// Drain takes what is in a channel, whether that is closed or not.
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
// more of them, is 0, and reports whether that came before the end of ctx.
// Nothing tells when a buffered channel has been emptied, so it looks.
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
