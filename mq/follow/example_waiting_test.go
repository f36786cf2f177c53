package follow_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/follow"
	"ipcmq/mq/sysv"
)

// With OpenOnly, calls wait until somebody else has created the queue again, or their
// context ends; Try calls find a missing queue empty and full.
func ExampleQueue_TrySend_missing() {
	const key = 0x666f6c6d
	q, err := sysv.Open(key, nil)
	if err != nil {
		panic(err)
	}
	defer q.Close()
	f, err := follow.Open(func() (*sysv.Queue, error) {
		return sysv.Open(key, &sysv.Config{OpenOnly: true})
	}, nil)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	if err := q.Remove(); err != nil {
		panic(err)
	}

	err = f.TrySend(mq.Message{Type: 1})
	fmt.Println(errors.Is(err, mq.ErrFull), errors.Is(err, mq.ErrRemoved))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err = f.Receive(ctx)
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output:
	// true true
	// true
}
