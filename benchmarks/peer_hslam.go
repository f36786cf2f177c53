package main

import (
	"strconv"

	hslamipc "github.com/hslam/ipc"
)

// hslam has System V queues without cgo. It does not return the type of a received
// message.
var hslam = library{
	name: "hslam/ipc", module: "github.com/hslam/ipc", backend: "sysv",
	open: func(address string) (opened, error) {
		id, err := strconv.Atoi(address)
		return opened{
			send: func(t int64, data []byte) error { return hslamipc.Msgsend(id, uint(t), data, 0) },
			receive: func() (int64, []byte, error) {
				data, err := hslamipc.Msgreceive(id, 0, 0)
				return -1, data, err
			},
		}, err
	},
}
