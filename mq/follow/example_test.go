package follow_test

import (
	"context"
	"fmt"
	"log/slog"

	"ipcmq/mq"
	"ipcmq/mq/follow"
	"ipcmq/mq/sysv"
)

func Example() {
	const key = 0x666f6c6c
	open := func() (*sysv.Queue, error) { return sysv.Open(key, nil) }
	q, err := follow.Open(open, &follow.Config{Changed: func(e follow.Event) {
		if e.Err != nil {
			slog.Debug("no queue", "error", e.Err)
		}
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer q.Close()
	// Somebody removes the queue, with ipcrm -q for example.
	if other, err := open(); err == nil {
		other.Remove()
		other.Close()
	}
	ctx := context.Background()
	if err := q.Send(ctx, mq.Message{Type: 1, Data: []byte("hello")}); err != nil {
		fmt.Println(err)
		return
	}
	m, err := q.Receive(ctx)
	fmt.Println(string(m.Data), err)
	q.Current().(*sysv.Queue).Remove()
	// Output: hello <nil>
}
