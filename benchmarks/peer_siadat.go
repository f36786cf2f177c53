package main

import (
	"strconv"

	siadatipc "github.com/siadat/ipc"
)

// siadat has System V queues without cgo.
var siadat = library{
	name: "siadat/ipc", module: "github.com/siadat/ipc", backend: "sysv",
	open: func(address string) (opened, error) {
		n, err := strconv.Atoi(address)
		id := uint(n)
		return opened{
			send: func(t int64, data []byte) error {
				return siadatipc.Msgsnd(id, &siadatipc.Msgbuf{Mtype: uint(t), Mtext: data}, 0)
			},
			receive: func() (int64, []byte, error) {
				var m siadatipc.Msgbuf
				err := siadatipc.Msgrcv(id, &m, 0)
				return int64(m.Mtype), m.Mtext, err
			},
		}, err
	},
}
