package main

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"syscall"

	"ipcmq/internal/sys"
	"ipcmq/mq"
	"ipcmq/mq/posix"
)

// Go programs wait for POSIX queues in the runtime's poller or, as C programs
// do, in the kernel.
var (
	posixPolling  = posixBackend("posix", "POSIX, waiting in the poller", false, nil)
	posixBlocking = posixBackend("posix-blocking", "POSIX, Blocking", true, []contender{rawPOSIX(raw, false), rawPOSIX(rawSpin, true)})
)

func posixBackend(name, title string, blocking bool, raws []contender) backend {
	return backend{
		name:    name,
		title:   title,
		program: "posix",
		create: func() (string, func() error, error) {
			q, err := posix.Open("/ipcmq-benchmark-"+rand.Text(), &posix.Config{Exclusive: true})
			if err != nil {
				return "", nil, err
			}
			return q.Name(), func() error { return errors.Join(q.Unlink(), q.Close()) }, nil
		},
		open: func(address string) (mq.Queue, error) {
			return posix.Open(address, &posix.Config{OpenOnly: true, Blocking: blocking})
		},
		raw:   raws,
		peers: peersOf("posix-blocking"),
	}
}

// rawPOSIX sends and receives like a C program: one buffer, no canceling. If it spins,
// no call waits.
func rawPOSIX(name string, spins bool) contender {
	return contender{name: name, kind: ours, open: func(_ context.Context, j job) (end, error) {
		to, from := j.addresses()
		flags := os.O_RDWR
		if spins {
			flags |= syscall.O_NONBLOCK
		}
		out, errno := sys.MqOpen(to, flags, 0, nil)
		if errno != 0 {
			return end{}, errno
		}
		in, errno := sys.MqOpen(from, flags, 0, nil)
		if errno != 0 {
			return end{}, errors.Join(errno, syscall.Close(out))
		}
		mqSend, mqReceive := sys.MqSend, sys.MqReceive
		if spins {
			mqSend, mqReceive = sys.TryMqSend, sys.TryMqReceive
		}
		return end{
			sender: sendFunc(func(_ context.Context, data []byte) error {
				errno := mqSend(out, data, 0, nil)
				for errno == sys.EAGAIN || errno == sys.EINTR {
					errno = mqSend(out, data, 0, nil)
				}
				if errno != 0 {
					return errno
				}
				return nil
			}),
			receive: func(_ context.Context, handle func([]byte) bool) error {
				buf := make([]byte, maxSize)
				for {
					n, _, errno := mqReceive(in, buf, nil)
					for errno == sys.EAGAIN || errno == sys.EINTR {
						n, _, errno = mqReceive(in, buf, nil)
					}
					if errno != 0 {
						return errno
					}
					if !handle(buf[:n]) {
						return nil
					}
				}
			},
			close: func() error { return errors.Join(syscall.Close(out), syscall.Close(in)) },
		}, nil
	}}
}
