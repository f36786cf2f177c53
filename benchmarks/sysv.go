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
	open:   openSysV,
	raw:    []contender{rawSysV(raw, false), rawSysV(rawSpin, true)},
	leases: []contender{lendSysV(leaseAndAck, lendAndAck), lendSysV(leaseHandle, lendHandle(1)), lendSysV(leaseHandle16, lendHandle(16))},
	large:  []contender{largeSysV(largeInto, loopReceiveInto, nil), largeSysV(largeReceive, loopReceive, nil), largeSysV(largeLending, loopReceiveInto, meetKeyed)},
	peers:  peersOf("sysv"),
}

func openSysV(address string) (mq.Queue, error) {
	id, err := strconv.Atoi(address)
	if err != nil {
		return nil, err
	}
	return sysv.OpenID(id, nil)
}

// rawSysV sends and receives like a C program: one buffer for each, no canceling. It
// first tries calls that do not wait; if it spins, it uses only these.
func rawSysV(name string, spins bool) contender {
	return contender{name: name, kind: ours, open: func(_ context.Context, j job) (end, error) {
		to, from := j.addresses()
		out, err := strconv.Atoi(to)
		if err != nil {
			return end{}, err
		}
		in, err := strconv.Atoi(from)
		if err != nil {
			return end{}, err
		}
		wait := sys.Msgrcv
		if spins {
			wait = sys.TryMsgrcv
		}
		return end{sender: &rawSender{out, make([]byte, sys.TypeSize+maxSize)}, receive: func(_ context.Context, handle func([]byte) bool) error {
			buf := make([]byte, sys.TypeSize+maxSize)
			for {
				n, errno := sys.TryMsgrcv(in, buf, maxSize, 0, 0)
				for errno == sys.ENOMSG || errno == sys.EINTR {
					n, errno = wait(in, buf, maxSize, 0, 0)
				}
				if errno != 0 {
					return errno
				}
				if !handle(buf[sys.TypeSize:][:n]) {
					return nil
				}
			}
		}}, nil
	}}
}

// A rawSender sends like a C program, except for a copy: one buffer, no canceling. Only
// one goroutine may use it.
type rawSender struct {
	id  int
	buf []byte
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
