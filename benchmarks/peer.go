package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"syscall"
	"time"

	"ipcmq/mq"
)

// A library opens queues that other processes have made. Peers are libraries,
// and so is this one in their trials.
type library struct {
	name    string
	module  string
	backend string // by which its queues are made

	// tag is the build tag that it needs: of libraries that need cgo or cannot be
	// linked together, each has a build of this program of its own.
	tag string

	open func(address string) (opened, error) // nil if this program is built without the tag
}

// opened is a queue as a library gives it.
type opened struct {
	// send sends a message of a type, or priority.
	send func(t int64, data []byte) error

	// receive returns the oldest message, and its type or priority; -1 if the
	// library does not tell.
	receive func() (t int64, data []byte, err error)

	// within is receive with a time limit; nil if there is none.
	within func(d time.Duration) error

	// cancel is the call that might end a receive that waits; nil if there is none.
	cancel func() error
}

// peersOf returns those of a kind of queue.
func peersOf(backend string) []contender {
	var all []contender
	for _, l := range peerLibraries() {
		if l.backend == backend {
			all = append(all, l.contender())
		}
	}
	return all
}

func peerLibraries() []library { return []library{siadat, hslam, syucream, joe} }

// openers are those of the libraries that need a tag, by name.
var openers = map[string]func(address string) (opened, error){}

// version is that of the module in this program.
func (l library) version() string {
	info, _ := debug.ReadBuildInfo()
	for _, m := range info.Deps {
		if m.Path == l.module {
			return m.Version
		}
	}
	return ""
}

// linked returns the library with its open, if it is in this program.
func (l library) linked() (library, error) {
	if l.tag != "" {
		l.open = openers[l.name]
	}
	if l.open == nil {
		return l, fmt.Errorf("%s is not in this program, which needs go build -tags %s", l.name, l.tag)
	}
	return l, nil
}

// contender loops around the library's send and receive. Callers of these
// libraries have to try again when a signal comes, so this does.
func (l library) contender() contender {
	return contender{name: l.name, kind: peer, tag: l.tag, open: func(_ context.Context, j job) (end, error) {
		l, err := l.linked()
		if err != nil {
			return end{}, err
		}
		to, from := j.addresses()
		out, err := l.open(to)
		if err != nil {
			return end{}, err
		}
		in, err := l.open(from)
		if err != nil {
			return end{}, err
		}
		return end{
			sender: typeSender(func(t int64, data []byte) error {
				err := out.send(t, data)
				for errors.Is(err, syscall.EINTR) {
					err = out.send(t, data)
				}
				return err
			}),
			receive: func(_ context.Context, handle func([]byte) bool) error {
				for {
					_, data, err := in.receive()
					if errors.Is(err, syscall.EINTR) {
						continue
					}
					if err != nil {
						return err
					}
					if !handle(data) {
						return nil
					}
				}
			},
		}, nil
	}}
}

// typeSender is a function that sends a payload under a type.
type typeSender func(t int64, data []byte) error

func (f typeSender) Send(_ context.Context, m mq.Message) error { return f(m.Type, m.Data) }
