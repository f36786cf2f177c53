//go:build syucream

package main

import (
	"os"

	"github.com/syucream/posix_mq/src/posix_mq"
)

func init() {
	openers[syucream.name] = func(address string) (opened, error) {
		q, err := posix_mq.NewMessageQueue(address, os.O_RDWR, 0, nil)
		if err != nil {
			return opened{}, err
		}
		return opened{
			send: func(t int64, data []byte) error { return q.Send(data, uint(t)) },
			receive: func() (int64, []byte, error) {
				data, priority, err := q.Receive()
				return int64(priority), data, err
			},
			cancel: q.Close,
		}, nil
	}
}
