package main

import (
	"fmt"
	"strings"
	"time"
)

// maxSize is the largest payload here, in bytes: what the kernel's defaults
// allow.
const maxSize = 8192

var (
	sizes = []int{64, 1024, maxSize}

	// Beyond what queues take; see package mq/large.
	largeSizes = []int{64 << 10, 1 << 20, 16 << 20}

	// Requests also carry a header.
	requestSizes = []int{64, 1024, maxSize - 1024}
)

// A contest is work that in each round all contenders do in turn, C first.
type contest struct {
	group      string // sysv, posix, ...
	title      string
	backend    backend
	shape      shape
	size       int // bytes of payload
	contenders []contender
}

// name is what -run matches, such as "sysv/one-way/Receive/64".
func (c contest) name(of contender) string {
	return fmt.Sprintf("%s/%s/%s/%d", c.group, c.shape.name, of.name, c.size)
}

// A side consists of the processes that do the work together. The first is timed.
type side []process

// A process is one process of a side.
type process struct {
	role  role
	inC   bool
	spins bool // in C: polls while it waits

	// pause, if not 0, is how long this process, in Go, waits before each message it
	// sends; its processor time does not count.
	pause time.Duration
}

// A shape is a kind of work.
type shape struct {
	name    string
	title   string
	count   int // timed messages or round trips
	callers int // goroutines that send requests at once; 0 means 1
	sizes   []int
	lends   bool // every message is lent and acknowledged, but not in C
	large   bool // payloads are larger than queues take
	beside  int  // other processes that keep a processor busy meanwhile
	c, ours side
	than    string   // an alternative with which all are compared instead of C
	layers  []string // our layers that are compared

	// against are the layers that the others are compared with; without them,
	// there are no others.
	against []string
}

// plain are the layers that do no more than other libraries do.
var plain = []string{receiveInto, receive}

var shapes = []shape{
	{
		name: "one-process", title: "send and receive in one process", count: 50_000, sizes: sizes,
		c:      side{{role: ping, inC: true}},
		ours:   side{{role: ping}},
		layers: []string{raw, receiveInto, receive, all}, against: plain,
	},
	{
		name: "one-way", title: "one way between two processes", count: 50_000, sizes: sizes,
		c:      side{{role: take, inC: true}, {role: send, inC: true}},
		ours:   side{{role: take}, {role: send}},
		layers: []string{raw, receiveInto, receive, all, intoSpin, channel, subscription, batchAll, batchInto, batchChannel, batchOf8}, against: plain,
	},
	{
		name: "from-c", title: "one way, with the C program as the sender on both sides", count: 50_000, sizes: sizes,
		c:      side{{role: take, inC: true}, {role: send, inC: true}},
		ours:   side{{role: take}, {role: send, inC: true}},
		layers: []string{receiveInto, channel},
	},
	{
		name: "to-c", title: "one way, with the C program as the receiver on both sides", count: 50_000, sizes: sizes,
		c:      side{{role: take, inC: true}, {role: send, inC: true}},
		ours:   side{{role: take, inC: true}, {role: send}},
		layers: []string{sendOnly},
	},
	{
		name: "round-trip", title: "round trip between two processes; C sleeps while it waits", count: 4_000, sizes: sizes,
		c:      side{{role: ping, inC: true}, {role: echo, inC: true}},
		ours:   side{{role: ping}, {role: echo}},
		layers: []string{raw, receiveInto, receive, all, intoSpin, channel, channelSleep, subscription}, against: plain,
	},
	{
		name: "request", title: "request and reply, one at a time; C sends without a header", count: 4_000, sizes: requestSizes,
		c:      side{{role: ping, inC: true}, {role: echo, inC: true}},
		ours:   side{{role: ask}, {role: serve}},
		layers: []string{request, requestSleep},
	},
	{
		name: "spinning", title: "round trip between two processes; C polls while it waits", count: 20_000, sizes: sizes,
		c:      side{{role: ping, inC: true, spins: true}, {role: echo, inC: true, spins: true}},
		ours:   side{{role: ping}, {role: echo}},
		layers: []string{rawSpin, intoSpin, channelSpin},
	},
}

// manyCallers returns shapes with requests from several goroutines at once.
func manyCallers() (all []shape) {
	for _, n := range []int{4, 16, 64} {
		all = append(all, shape{
			name: fmt.Sprintf("callers-%d", n), title: fmt.Sprintf("requests and replies of %d callers at once in one process; C sends one at a time", n),
			count: 16_000, callers: n, sizes: []int{64},
			c: side{{role: ping, inC: true}, {role: echo, inC: true}}, ours: side{{role: ask}, {role: serve}},
			layers: []string{request, requestSleep},
		})
	}
	return all
}

// paced returns shapes in which messages come one at a time, with pauses: for the
// processor time of a waiting receiver.
func paced() (all []shape) {
	for _, pause := range []time.Duration{50 * time.Microsecond, 200 * time.Microsecond, 2 * time.Millisecond} {
		sender := process{role: send, pause: pause}
		all = append(all, shape{
			name: fmt.Sprintf("every-%v", pause), title: fmt.Sprintf("a message every %v; processor time of the receiver", pause),
			count: int(time.Second / max(pause, 100*time.Microsecond)), sizes: []int{64},
			c: side{{role: take, inC: true}, sender}, ours: side{{role: take}, sender},
			layers: []string{receiveInto, channel, channelSleep, subscription},
		})
	}
	return all
}

// besideBusy returns shapes that run next to busy processes.
func besideBusy() (all []shape) {
	for n := 1; n <= 2; n++ {
		for _, s := range shapes {
			switch s.name {
			case "one-way":
				s.layers = []string{receiveInto, channel, subscription}
			case "round-trip":
				s.layers = []string{receiveInto, intoSpin, channel, channelSleep, subscription}
			case "request":
				s.layers = []string{request, requestSleep}
			default:
				continue
			}
			s.name = fmt.Sprintf("beside-%d-%s", n, s.name)
			s.title += fmt.Sprintf("; next to %d busy processes", n)
			if n == 1 {
				s.title = strings.TrimSuffix(s.title, "es")
			}
			s.sizes, s.against, s.beside = []int{64}, nil, n
			all = append(all, s)
		}
	}
	return all
}

// alternativeShapes are the work in which System V queues, which have the most users,
// are compared with alternatives.
var alternativeShapes = []shape{
	{
		name: "one-way", title: "one way between two processes", count: 50_000, sizes: sizes,
		c:      side{{role: take, inC: true}, {role: send, inC: true}},
		ours:   side{{role: take}, {role: send}},
		layers: []string{receiveInto, channel, subscription, batchInto, batchChannel}, against: []string{receiveInto, channel, subscription, batchInto, batchChannel},
	},
	{
		// Enough that it does not end before the heap has grown.
		name: "batches", title: "one way between two processes, many messages; C sends one by one", count: 400_000, sizes: []int{64},
		c:      side{{role: take, inC: true}, {role: send, inC: true}},
		ours:   side{{role: take}, {role: send}},
		layers: []string{receiveInto, batchAll, batchInto, batchChannel, batchOf8}, against: []string{batchAll, batchInto, batchChannel, batchOf8},
	},
	{
		name: "leases", title: "one way, each message lent and acknowledged; C and ReceiveInto receive without leases", count: 10_000, sizes: sizes, lends: true,
		c:      side{{role: take, inC: true}, {role: send, inC: true}},
		ours:   side{{role: take}, {role: send}},
		layers: []string{receiveInto, leaseAndAck, leaseHandle, leaseHandle16}, against: []string{leaseAndAck, leaseHandle, leaseHandle16},
	},
	{
		name: "large", title: "one way between two processes, large payloads; 512 MiB in all", sizes: largeSizes, large: true, than: "Unix stream",
		ours:   side{{role: take}, {role: send}},
		layers: []string{largeInto, largeReceive, largeLending}, against: []string{largeInto, largeReceive, largeLending},
	},
	{
		name: "round-trip", title: "round trip between two processes", count: 4_000, sizes: sizes,
		c:      side{{role: ping, inC: true}, {role: echo, inC: true}},
		ours:   side{{role: ping}, {role: echo}},
		layers: []string{receiveInto, intoSpin, channel, subscription}, against: []string{receiveInto, intoSpin, channel, subscription},
	},
	{
		name: "request", title: "request and reply, one at a time; C has no ids", count: 4_000, sizes: requestSizes,
		c:      side{{role: ping, inC: true}, {role: echo, inC: true}},
		ours:   side{{role: ask}, {role: serve}},
		layers: []string{request}, against: []string{request},
	},
	{
		name: "callers", title: "requests and replies of 16 callers at once in one process; C sends one at a time", count: 16_000, callers: 16, sizes: []int{64},
		c:      side{{role: ping, inC: true}, {role: echo, inC: true}},
		ours:   side{{role: ask}, {role: serve}},
		layers: []string{request}, against: []string{request},
	},
}
