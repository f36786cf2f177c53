package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"ipcmq/internal/sys"
	"ipcmq/mq"
)

// try is the role of a process that runs a trial.
const try role = "try"

// A trial checks something that a library should be able to do.
type trial struct {
	library library
	what    ability
}

// An ability is what a trial checks.
type ability struct {
	name  string
	title string

	// try describes what happened; passed reports whether that was correct. err is
	// an error of the trial itself.
	try func(a attempt) (found string, passed bool, err error)
}

// tried is the result of a trial.
type tried struct {
	Library string
	Version string
	Backend string
	Ability string
	Found   string
	Passed  bool
}

func (t trial) name() string {
	return fmt.Sprintf("trial/%s/%s/%s", t.library.backend, t.library.name, t.what.name)
}

// trials returns all trials, those of this library first.
func trials() []trial {
	var all []trial
	for _, l := range append(ownLibraries(), peerLibraries()...) {
		for _, a := range abilities {
			all = append(all, trial{l, a})
		}
	}
	return all
}

func libraryNamed(backend, name string) (library, bool) {
	for _, l := range append(ownLibraries(), peerLibraries()...) {
		if l.name == name && l.backend == backend {
			return l, true
		}
	}
	return library{}, false
}

// ownName is the name of this library in the trials.
const ownName = "ipcmq"

// ownLibraries are this library on each kind of queue.
func ownLibraries() []library {
	var all []library
	for _, b := range []backend{systemV, posixBlocking} { // both sleep in the kernel, as the peers do
		all = append(all, library{name: ownName, backend: b.name, open: func(address string) (opened, error) {
			q, err := b.open(address)
			if err != nil {
				return opened{}, err
			}
			ctx, cancel := context.WithCancel(context.Background())
			typed := q.Capabilities().MaxType > 0
			return opened{
				send: func(t int64, data []byte) error {
					m := mq.Message{Data: data, Priority: uint32(t)}
					if typed {
						m = mq.Message{Data: data, Type: t}
					}
					return q.Send(ctx, m)
				},
				receive: func() (int64, []byte, error) {
					m, err := q.Receive(ctx)
					if typed {
						return m.Type, m.Data, err
					}
					return int64(m.Priority), m.Data, err
				},
				cancel: func() error { cancel(); return nil },
			}, nil
		}})
	}
	return all
}

// trialLimit is how long a trial may take.
const trialLimit = 20 * time.Second

// try runs a trial in a process and an IPC namespace of its own.
func (b *bench) try(ctx context.Context, t trial) tried {
	fmt.Fprintln(os.Stderr, t.name())
	done := tried{Library: t.library.name, Backend: t.library.backend, Ability: t.what.title}
	ctx, stop := context.WithTimeoutCause(ctx, trialLimit, fmt.Errorf("hung for %v", trialLimit))
	defer stop()
	j := job{Role: try, Backend: t.library.backend, Layer: t.library.name, Trial: t.what.name, Count: 20_000}
	if b.quick {
		j.Count = 500
	}
	cmd, err := b.goCommand(ctx, j, t.library.tag)
	if err != nil {
		done.Found = "does not build: " + reason(err)
		return done
	}
	cmd.SysProcAttr = sys.PrivateIPC()
	r, _, err := execute(ctx, cmd)
	if err != nil {
		done.Found = "crashed: " + reason(err)
		if errors.Is(err, context.Cause(ctx)) {
			done.Found = reason(err)
		}
		if errors.Is(err, syscall.EPERM) {
			done.Found = "not tried: an IPC namespace of its own is not permitted here"
		}
		return done
	}
	done.Version, done.Found, done.Passed = r.Version, r.Found, r.Passed
	return done
}

// try is the other side of bench.try.
func (j job) try() (report, error) {
	l, ok := libraryNamed(j.Backend, j.Layer)
	if !ok {
		return report{}, fmt.Errorf("no library %q", j.Layer)
	}
	l, err := l.linked()
	if err != nil {
		return report{}, err
	}
	r := report{Version: l.version()}
	for _, a := range abilities {
		if a.name == j.Trial {
			r.Found, r.Passed, err = a.try(attempt{l, j.Count})
			return r, err
		}
	}
	return r, fmt.Errorf("no trial %q", j.Trial)
}
