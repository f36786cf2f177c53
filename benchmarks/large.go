package main

import (
	"context"

	"ipcmq/mq"
	"ipcmq/mq/large"
)

// largeSysV is a layer on package large; meet creates its queues, unless those of the
// backend suffice.
func largeSysV(name string, receive func(context.Context, mq.Queue, func([]byte) bool) error, meet func(context.Context, *bench, *job) (meeting, error)) contender {
	return contender{name: name, kind: ours, large: true, oneWay: true, meet: meet, open: func(_ context.Context, j job) (end, error) {
		_, from := j.addresses()
		if j.Role == send {
			from, _ = j.addresses()
		}
		q, err := openSysV(from)
		if err != nil {
			return end{}, err
		}
		l, err := large.Wrap(q, nil)
		if err != nil {
			return end{}, err
		}
		return end{sender: l, close: l.Close, receive: func(ctx context.Context, handle func([]byte) bool) error {
			return receive(ctx, l, handle)
		}}, nil
	}}
}
