package main

import (
	"context"
	"errors"
	"strconv"

	"ipcmq/internal/sys"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

var systemV = backend{
	name:    "sysv",
	title:   "System V",
	program: "sysv",
	create: func() (string, func() error, error) {
		q, err := sysv.Open(sysv.Private, nil)
		if err != nil {
			return "", nil, err
		}
		return strconv.Itoa(q.ID()), func() error { return errors.Join(q.Remove(), q.Close()) }, nil
	},
	open: func(address string) (mq.Queue, error) {
		id, err := strconv.Atoi(address)
		if err != nil {
			return nil, err
		}
		return sysv.OpenID(id, nil)
	},
	raw: []layer{
		{name: raw, sender: newRawSender, receive: sysvReceive(func(id int, buf []byte) (int, sys.Errno) {
			return sys.Msgrcv(id, buf, maxSize, 0, 0)
		})},
		{name: rawSpin, sender: newRawSender, receive: sysvReceive(func(id int, buf []byte) (int, sys.Errno) {
			return sys.TryMsgrcv(id, buf, maxSize, 0, 0)
		})},
	},
}

// sysvReceive receives as a C program does: one buffer, no canceling. Calls
// after the first, which does not wait, are those of wait.
func sysvReceive(wait func(id int, buf []byte) (int, sys.Errno)) func(context.Context, mq.Queue, func([]byte) bool) error {
	return func(_ context.Context, q mq.Queue, handle func([]byte) bool) error {
		id, buf := q.(*sysv.Queue).ID(), make([]byte, sys.TypeSize+maxSize)
		for {
			n, errno := sys.TryMsgrcv(id, buf, maxSize, 0, 0)
			for errno == sys.ENOMSG || errno == sys.EINTR {
				n, errno = wait(id, buf)
			}
			if errno != 0 {
				return errno
			}
			if !handle(buf[sys.TypeSize:][:n]) {
				return nil
			}
		}
	}
}

// A rawSender sends as a C program does, but for a copy: one buffer, no
// canceling. It is for one goroutine only.
type rawSender struct {
	id  int
	buf []byte
}

func newRawSender(q mq.Queue) mqSender {
	return &rawSender{q.(*sysv.Queue).ID(), make([]byte, sys.TypeSize+maxSize)}
}

func (s *rawSender) Send(_ context.Context, m mq.Message) error {
	sys.PutType(s.buf, m.Type)
	n := copy(s.buf[sys.TypeSize:], m.Data)
	errno := sys.TryMsgsnd(s.id, s.buf, n, 0)
	for errno == sys.EAGAIN || errno == sys.EINTR {
		errno = sys.Msgsnd(s.id, s.buf, n, 0)
	}
	if errno != 0 {
		return errno
	}
	return nil
}
