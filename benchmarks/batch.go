package main

import (
	"context"
	"errors"

	"ipcmq/mq"
	"ipcmq/mq/batch"
)

// An adder adds messages to a queue of batches. If every is more than 0, it flushes
// after this many.
type adder struct {
	*batch.Queue
	every, added int
}

func (a *adder) Send(ctx context.Context, m mq.Message) error {
	if err := a.Add(ctx, m); err != nil {
		return err
	}
	if a.added++; a.added == a.every {
		a.added = 0
		return a.Flush(ctx)
	}
	return nil
}

// batch makes e send in frames, and returns the queue that receives them.
func (l layer) batch(e *end, out, in mq.Queue) (mq.Queue, error) {
	to, err := batch.New(out, nil)
	if err != nil {
		return nil, err
	}
	from, err := batch.New(in, nil)
	if err != nil {
		return nil, err
	}
	e.sender, e.flush = &adder{Queue: to, every: *l.frames}, to.Flush
	e.close = func() error { // a receiver that has its messages may leave some
		err := errors.Join(to.Close(), from.Close())
		if errors.Is(err, mq.ErrUnread) {
			return nil
		}
		return err
	}
	return from, nil
}
