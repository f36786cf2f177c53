package main

import "fmt"

// maxSize is the largest payload here, in bytes: what the kernel's defaults
// allow.
const maxSize = 8192

var sizes = []int{64, 1024, maxSize}

// A row is one comparison: the same work done in C and in Go.
type row struct {
	backend backend
	shape   shape
	layer   string
	size    int // bytes of payload
}

// name is what -run matches, such as "sysv/one-way/Receive/64".
func (r row) name() string {
	return fmt.Sprintf("%s/%s/%s/%d", r.backend.name, r.shape.name, r.layer, r.size)
}

// A side is the processes that do the work together. The first is timed.
type side []process

// A process is one process of a side.
type process struct {
	role  role
	inC   bool
	spins bool // in C: waits by trying again and again
}

// A shape is a kind of work.
type shape struct {
	name    string
	title   string
	count   int // messages, or round trips, that are timed
	c, ours side
	layers  []string // of ours that are compared
}

var shapes = []shape{
	{
		name: "one-process", title: "send and receive in one process", count: 200_000,
		c:      side{{role: ping, inC: true}},
		ours:   side{{role: ping}},
		layers: []string{raw, receiveInto, receive, all},
	},
	{
		name: "one-way", title: "one way between two processes", count: 200_000,
		c:      side{{role: take, inC: true}, {role: send, inC: true}},
		ours:   side{{role: take}, {role: send}},
		layers: []string{raw, receiveInto, receive, all, intoSpin, channel, channelSpin, subscription},
	},
	{
		name: "from-c", title: "one way, the sender being the C program on both sides", count: 200_000,
		c:      side{{role: take, inC: true}, {role: send, inC: true}},
		ours:   side{{role: take}, {role: send, inC: true}},
		layers: []string{receiveInto, channel},
	},
	{
		name: "to-c", title: "one way, the receiver being the C program on both sides", count: 200_000,
		c:      side{{role: take, inC: true}, {role: send, inC: true}},
		ours:   side{{role: take, inC: true}, {role: send}},
		layers: []string{sendOnly},
	},
	{
		name: "round-trip", title: "round trip between two processes; C sleeps while it waits", count: 20_000,
		c:      side{{role: ping, inC: true}, {role: echo, inC: true}},
		ours:   side{{role: ping}, {role: echo}},
		layers: []string{raw, receiveInto, receive, all, channel, subscription, request, intoSpin, channelSpin},
	},
	{
		name: "spinning", title: "round trip between two processes; C polls while it waits", count: 100_000,
		c:      side{{role: ping, inC: true, spins: true}, {role: echo, inC: true, spins: true}},
		ours:   side{{role: ping}, {role: echo}},
		layers: []string{rawSpin, intoSpin, channelSpin},
	},
}
