// Package handle holds what the handles of all kinds of queues have in common.
package handle

import (
	"context"
	"errors"
	"fmt"

	"ipcmq/mq"
)

// Ended returns the error of a call that was ended by ctx, which has ended: it
// matches ctx.Err() and the cause of ctx, and its text shows both.
func Ended(op, queue string, ctx context.Context) *mq.Error {
	e := &mq.Error{Op: op, Queue: queue, Kind: ctx.Err()}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(ctx.Err(), cause) {
		e.Err, e.Detail = cause, fmt.Sprintf("%v: %v", ctx.Err(), cause)
	}
	return e
}
