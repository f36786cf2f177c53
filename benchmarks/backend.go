package main

import "ipcmq/mq"

// A backend is one kind of queue.
type backend struct {
	name    string
	title   string
	program string // the C program, of c/program.c

	// create makes a queue and returns the address by which open, in Go and in
	// C, finds it.
	create func() (address string, remove func() error, err error)
	open   func(address string) (mq.Queue, error)

	// raw are the layers below the library; there may be none.
	raw []layer
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

func (b backend) layerNamed(name string) (layer, bool) {
	for _, list := range [][]layer{b.raw, layers} {
		for _, l := range list {
			if l.name == name {
				return l, true
			}
		}
	}
	return layer{}, false
}
