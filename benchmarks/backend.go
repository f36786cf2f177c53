package main

import (
	"context"

	"ipcmq/mq"
)

// A backend is one kind of queue.
type backend struct {
	name    string
	title   string
	program string // the C program, of c/program.c

	// create creates a queue and returns the address with which open finds it, in
	// Go and in C.
	create func() (address string, remove func() error, err error)
	open   func(address string) (mq.Queue, error)

	raw    []contender // system calls below the library; there may be none
	leases []contender // layers that lend; there may be none
	large  []contender // layers for large payloads; there may be none
	peers  []contender
}

var backends = []backend{systemV, posixPolling, posixBlocking}

func backendNamed(name string) (backend, bool) {
	for _, b := range backends {
		if b.name == name {
			return b, true
		}
	}
	return backend{}, false
}

// contenderNamed returns a contender other than C.
func (b backend) contenderNamed(name string) (contender, bool) {
	for _, l := range layers {
		if l.name == name {
			return b.contender(l), true
		}
	}
	for _, list := range [][]contender{b.raw, b.leases, b.large, b.peers, alternatives} {
		for _, c := range list {
			if c.name == name {
				return c, true
			}
		}
	}
	return contender{}, false
}

// contender returns a layer of the library on this kind of queue.
func (b backend) contender(l layer) contender {
	return contender{name: l.name, kind: ours, header: l.header, open: func(ctx context.Context, j job) (end, error) {
		to, from := j.addresses()
		out, err := b.open(to)
		if err != nil {
			return end{}, err
		}
		in, err := b.open(from)
		if err != nil {
			out.Close()
			return end{}, err
		}
		e := end{sender: out, close: ends(out.Close, in.Close)}
		if l.frames != nil {
			if in, err = l.batch(&e, out, in); err != nil {
				return end{}, err
			}
		}
		if l.receive != nil {
			e.receive = func(ctx context.Context, handle func([]byte) bool) error { return l.receive(ctx, in, handle) }
		}
		if l.requests != nil {
			if err := l.requests(j, &e, out, in); err != nil {
				return end{}, err
			}
		}
		return e, nil
	}}
}
