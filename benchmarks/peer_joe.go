//go:build joe

package main

import (
	"os"
	"strings"
	"time"

	"github.com/joe-at-startupmedia/posix_mq"
)

func init() {
	openers[joe.name] = func(address string) (opened, error) {
		q, err := posix_mq.NewMessageQueue(&posix_mq.QueueConfig{Name: strings.TrimPrefix(address, "/"), Flags: os.O_RDWR})
		if err != nil {
			return opened{}, err
		}
		return opened{
			send: func(t int64, data []byte) error { return q.Send(data, uint(t)) },
			receive: func() (int64, []byte, error) {
				data, priority, err := q.Receive()
				return int64(priority), data, err
			},
			within: func(d time.Duration) error {
				_, _, err := q.TimedReceive(d)
				return err
			},
			cancel: q.Close,
		}, nil
	}
}
