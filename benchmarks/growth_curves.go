package main

// curves are all measured curves.
var curves = append(sizeCurves(), []curve{
	{
		name: "types", title: "Subscriptions to single types, under one reader",
		axis: "types subscribed to", unit: "types", of: "message",
		note:   "The C program receives the same messages and looks at their types.",
		points: []int{1, 10, 100, 1000, 10_000}, count: 50_000, each: 1,
		lines: []line{
			{name: "C", backend: systemV, workers: func(x int, t task) []worker {
				t.Types = x
				return []worker{{task: t.withAct(actReceive), inC: true}, {task: t.withAct(actSend), inC: true}}
			}},
			{name: "subscriptions", backend: systemV, workers: func(x int, t task) []worker {
				t.Types = x
				return []worker{{task: t.withAct(actTypes)}, {task: t.withAct(actSend)}}
			}},
		},
	},
	waitingCurve("waiting-types", "Waiting receivers, each for a type of its own: until one has answered", systemV, true),
	waitingCurve("waiting-any", "Waiting receivers that compete for all messages: until one has answered", systemV, false),
	waitingCurve("waiting-posix", "Waiting receivers of a POSIX queue, which compete: until one has answered", posixPolling, false),
	{
		name: "backlog", title: "Messages of another type, before the one that is taken",
		axis: "messages in the queue", unit: "messages", of: "message",
		note:   "The kernel walks through the queue to find a message of the type. For a stream it does so twice: to check for a message, and to wait.",
		points: []int{0, 10, 100, 1000, 3000, 10_000}, count: 2000,
		lines: []line{
			{name: "C", backend: systemV, backlog: itself, workers: selectFrom(true, "")},
			{name: receiveInto, backend: systemV, backlog: itself, workers: selectFrom(false, receiveInto)},
			{name: channel, backend: systemV, backlog: itself, workers: selectFrom(false, channel)},
		},
	},
	{
		name: "callers", title: "Callers of Request in one process, a server in another one",
		axis: "callers at once", unit: "callers", of: "request", rate: true,
		note:   "In C the callers are threads; the replies come through one queue, each with the type of its caller.",
		points: []int{1, 2, 4, 8, 16, 32, 64}, count: 10_000,
		lines: []line{
			{name: "C", backend: systemV, workers: func(x int, t task) []worker {
				server := t.withAct(actEcho)
				t.Threads, t.Own = x, true
				return []worker{{task: t.withAct(actCall), inC: true}, {task: server, inC: true}}
			}},
			{name: "Request", backend: systemV, workers: callAndServe},
			{name: "Request, POSIX", backend: posixPolling, workers: callAndServe},
		},
	},
	{
		name: "senders", title: "Processes that send to one receiver",
		axis: "sending processes", unit: "senders", of: "message", rate: true, linear: true,
		points: []int{1, 2, 3, 4, 6, 8}, count: 50_000,
		lines: []line{
			{name: "C", backend: systemV, workers: sendersToOne(true, "")},
			{name: receiveInto, backend: systemV, workers: sendersToOne(false, receiveInto)},
			{name: channel, backend: systemV, workers: sendersToOne(false, channel)},
		},
	},
	{
		name: "receivers", title: "Processes that receive from one sender",
		axis: "receiving processes", unit: "receivers", of: "message", rate: true, linear: true,
		points: []int{1, 2, 3, 4, 6, 8}, count: 50_000,
		lines: []line{
			{name: "C", backend: systemV, workers: oneToReceivers(true, "")},
			{name: receiveInto, backend: systemV, workers: oneToReceivers(false, receiveInto)},
		},
	},
}...)

func sizeCurves() (all []curve) {
	for _, b := range []backend{systemV, posixPolling} {
		all = append(all, curve{
			name: "size-one-process-" + b.name, title: b.title + ": send and receive in one process",
			axis: "bytes of payload", unit: "bytes", of: "message", points: sizePoints, count: 30_000,
			lines: []line{
				{name: "C", backend: b, workers: toItself(true, "")},
				{name: receiveInto, backend: b, workers: toItself(false, receiveInto)},
				{name: channel, backend: b, workers: toItself(false, channel)},
			},
		}, curve{
			name: "size-one-way-" + b.name, title: b.title + ": one way between two processes",
			axis: "bytes of payload", unit: "bytes", of: "message", points: sizePoints, count: 50_000,
			lines: []line{
				{name: "C", backend: b, workers: toAnother(true, "")},
				{name: receiveInto, backend: b, workers: toAnother(false, receiveInto)},
				{name: channel, backend: b, workers: toAnother(false, channel)},
			},
		})
	}
	return all
}

var sizePoints = []int{1, 2, 8, 32, 128, 512, 2048, maxSize}

func toItself(inC bool, by string) func(int, task) []worker {
	return func(x int, t task) []worker {
		t.Size, t.By, t.Back = x, by, t.There
		return []worker{{task: t.withAct(actPing), inC: inC}}
	}
}

func toAnother(inC bool, by string) func(int, task) []worker {
	return func(x int, t task) []worker {
		t.Size, t.By = x, by
		return []worker{{task: t.withAct(actReceive), inC: inC}, {task: t.withAct(actSend), inC: inC}}
	}
}

// In a waitingCurve a C program sends one message after the other, each when the last
// was answered. It polls for the answers, so that only the receiver must be woken.
func waitingCurve(name, title string, b backend, own bool) curve {
	c := curve{
		name: name, title: title, axis: "waiting receivers", unit: "receivers", of: "round trip",
		note:   "A round trip is a message to one of them and its answer. In C they are threads. The sender is the same C program on both sides, and polls for the answer.",
		points: []int{1, 10, 100, 1000}, count: 3000, each: 2,
	}
	for _, inC := range []bool{true, false} {
		l := line{name: "goroutines", backend: b}
		if inC {
			l.name = "C"
		}
		l.workers = func(x int, t task) []worker {
			pinger := t.withAct(actPing)
			if own {
				pinger.Types = x
			}
			t.Threads, t.Own = x, own
			return []worker{{task: pinger, inC: true, spins: true}, {task: t.withAct(actEcho), inC: inC}}
		}
		c.lines = append(c.lines, l)
	}
	return c
}

func itself(x int) int { return x }

// selectFrom sends messages of type 1 to itself and takes them by type.
func selectFrom(inC bool, by string) func(int, task) []worker {
	return func(_ int, t task) []worker {
		t.By, t.Own, t.Back = by, true, t.There
		return []worker{{task: t.withAct(actPing), inC: inC}}
	}
}

func callAndServe(x int, t task) []worker {
	server := t.withAct(actServe)
	t.Threads = x
	return []worker{{task: t.withAct(actCall)}, {task: server}}
}

func sendersToOne(inC bool, by string) func(int, task) []worker {
	return func(x int, t task) []worker {
		t.By = by
		share := (t.Warm + t.Count) / x
		t.Count = share*x - t.Warm
		all := []worker{{task: t.withAct(actGather), inC: inC}}
		for i := range x {
			t.From, t.Warm, t.Count = i, 0, share
			all = append(all, worker{task: t.withAct(actSend), inC: inC})
		}
		return all
	}
}

func oneToReceivers(inC bool, by string) func(int, task) []worker {
	return func(x int, t task) []worker {
		t.By = by
		all := []worker{{task: t.withAct(actSend), inC: inC, ends: x}}
		for range x {
			all = append(all, worker{task: t.withAct(actGather), inC: inC})
		}
		return all
	}
}
