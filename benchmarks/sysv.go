package main

import (
	"context"
	"strconv"

	"ipcmq/internal/sys"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

var systemV = backend{
	name:  "sysv",
	title: "System V",
	create: func() (string, func() error, error) {
		q, err := sysv.Open(sysv.Private, nil)
		if err != nil {
			return "", nil, err
		}
		return strconv.Itoa(q.ID()), q.Remove, nil
	},
	open: func(address string) (mq.Queue, error) {
		id, err := strconv.Atoi(address)
		if err != nil {
			return nil, err
		}
		return sysv.OpenID(id, nil)
	},
	raw: []layer{
		{name: raw, send: sysvSend, receive: sysvReceive(func(id int, buf []byte) (int, sys.Errno) {
			return sys.Msgrcv(id, buf, maxSize, 0, 0)
		})},
		{name: rawSpin, send: sysvSend, receive: sysvReceive(func(id int, buf []byte) (int, sys.Errno) {
			return sys.TryMsgrcv(id, buf, maxSize, 0, 0)
		})},
	},
}

// sysvReceive receives as a C program does: one buffer, no cancelling. Calls
// after the first, which does not wait, are those of wait.
func sysvReceive(wait func(id int, buf []byte) (int, sys.Errno)) func(context.Context, mq.Queue, func(mq.Message) bool) error {
	return func(_ context.Context, q mq.Queue, handle func(mq.Message) bool) error {
		id, buf := q.(*sysv.Queue).ID(), make([]byte, sys.TypeSize+maxSize)
		for {
			n, errno := sys.TryMsgrcv(id, buf, maxSize, 0, 0)
			for errno == sys.ENOMSG || errno == sys.EINTR {
				n, errno = wait(id, buf)
			}
			if errno != 0 {
				return errno
			}
			if !handle(mq.Message{Type: sys.GetType(buf), Data: buf[sys.TypeSize:][:n]}) {
				return nil
			}
		}
	}
}

// sysvSend is used by one goroutine of a process only, as sysvBuffer is.
func sysvSend(_ context.Context, q mq.Queue, m mq.Message) error {
	id := q.(*sysv.Queue).ID()
	sys.PutType(sysvBuffer, m.Type)
	n := copy(sysvBuffer[sys.TypeSize:], m.Data)
	errno := sys.TryMsgsnd(id, sysvBuffer, n, 0)
	for errno == sys.EAGAIN || errno == sys.EINTR {
		errno = sys.Msgsnd(id, sysvBuffer, n, 0)
	}
	if errno != 0 {
		return errno
	}
	return nil
}

var sysvBuffer = make([]byte, sys.TypeSize+maxSize)
