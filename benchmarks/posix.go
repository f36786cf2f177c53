package main

import (
	"crypto/rand"
	"errors"

	"ipcmq/mq"
	"ipcmq/mq/posix"
)

// Go programs wait for POSIX queues in the runtime's poller or, as C programs
// do, in the kernel.
var (
	posixPolling  = posixBackend("posix", "POSIX, waiting in the poller", false)
	posixBlocking = posixBackend("posix-blocking", "POSIX, Blocking", true)
)

func posixBackend(name, title string, blocking bool) backend {
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
	}
}
