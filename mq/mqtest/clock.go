package mqtest

import (
	"context"
	"crypto/rand"
	"time"

	"ipcmq/mq"
)

var _ mq.Clocked = (*Queue)(nil)

// clockID is the clock id of all queues in this process.
var clockID = func() (id [16]byte) {
	rand.Read(id[:])
	return id
}()

// Clock reads the clock of this process, or of its bubble.
func (q *Queue) Clock(context.Context) (mq.ClockTime, error) {
	return mq.ClockTime{ID: clockID, Time: time.Duration(time.Now().UnixNano())}, nil
}
