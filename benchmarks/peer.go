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

// A library opens queues that other processes have created. Peers are libraries, and so
// is this one in their trials.
type library struct {
	name    string
	module  string
	backend string // that creates its queues

	// tag is the build tag that it needs: each library that needs cgo, or cannot be
	// linked with others, has its own build of this program.
	tag string

	open func(address string) (opened, error) // nil if this program is built without the tag
}

// opened is a queue opened by a library.
type opened struct {
	// send sends a message of a type, or priority.
	send func(t int64, data []byte) error

	// receive returns the oldest message, and its type or priority, or -1 if the
	// library does not return that.
	receive func() (t int64, data []byte, err error)

	// within is receive with a time limit; nil if there is none.
	within func(d time.Duration) error

	// cancel is the call that might end a waiting receive; nil if there is none.
	cancel func() error
}

// peersOf returns the peers for a kind of queue.
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

// openers are the open functions of libraries that need a tag, by name.
var openers = map[string]func(address string) (opened, error){}

// version returns the version of the module in this program.
func (l library) version() string {
	info, _ := debug.ReadBuildInfo()
	for _, m := range info.Deps {
		if m.Path == l.module {
			return m.Version
		}
	}
	return ""
}

// linked returns the library with its open function, if it is in this program.
func (l library) linked() (library, error) {
	if l.tag != "" {
		l.open = openers[l.name]
	}
	if l.open == nil {
		return l, fmt.Errorf("%s is not in this program, which needs go build -tags %s", l.name, l.tag)
	}
	return l, nil
}

// contender loops around the library's send and receive. Callers of these libraries
// must retry after a signal, so this does.
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
