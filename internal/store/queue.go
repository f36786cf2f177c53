package store

import (
	"fmt"

	"ipcmq/mq"
)

// A Queue is the current state of the queue of the tickets. Backends whose queues
// can have a store pass it to package ipcmq/mq/large.
type Queue struct {
	ID             int
	Key            uint32
	UID, GID, CUID uint32
	Mode           uint32
}

// mode gives those who may read the queue the store, to read and write.
func (q *Queue) mode() (mode uint32) {
	for _, class := range []uint32{0o100, 0o010, 0o001} {
		if q.Mode&(4*class) != 0 {
			mode |= 6 * class
		}
	}
	return mode
}

// Readers are the users who may use a store. Queues with the same readers can
// share one.
type Readers struct{ UID, GID, Mode uint32 }

// Readers returns who may read the queue.
func (q *Queue) Readers() Readers { return Readers{q.UID, q.GID, q.mode()} }

func refuse(kind error, err error, format string, args ...any) *mq.Error {
	return &mq.Error{Kind: kind, Err: err, Detail: fmt.Sprintf(format, args...)}
}
