package sleep

import (
	"container/heap"
	"context"
	"runtime"
	"slices"
)

// A Line is what calls on a handle wait for: room for their messages, or messages
// that one selector selects.
type Line struct {
	Send bool
	Type int64 // msgtyp of those that receive
	Flag int   // and its flags
	One  bool  // at most one of them sleeps, if the call does nothing but wake up
}

// A line is the calls that wait for the same thing, in order. Some of them are
// called to sleep in the kernel:
//
//   - of the receivers, the oldest ones, as many as can run at once: the kernel
//     gives messages to its sleepers in turn, so a process with one sleeper would
//     get the share of one receiver;
//   - of those that send, the oldest and the one with the smallest payload: while
//     there is too little room for that one, there is for none. The kernel, too,
//     lets a small message in before a large one that waits.
type line struct {
	of     Line
	called []*call
	oldest *call // list of those that wait
	latest *call
	length int    // of the list
	heap   bySize // the same, if they send
	next   *line  // in the list of those to use again
}

// atOnce is how many receiving calls sleep at once.
var atOnce = runtime.GOMAXPROCS(0)

// join begins a call, the last of its line; nil after Close.
func (c *Calls) join(in Line, size int) *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed.Load() {
		return nil
	}
	l := c.lines[in]
	if l == nil {
		l = c.freeLines
		if l != nil {
			c.freeLines = l.next
		} else {
			l = &line{}
		}
		l.of = in
		if c.lines == nil {
			c.lines = make(map[Line]*line)
		}
		c.lines[in] = l
	}
	joined := c.free
	if joined != nil {
		c.free = joined.next
	} else {
		joined = &call{of: c}
	}
	c.last++
	joined.number, joined.size, joined.line = c.last, size, l
	joined.deadline.Never()
	l.append(joined)
	l.arrange()
	return joined
}

// await waits for the turn of a call. It returns false if the call ended first.
func (c *Calls) await(ctx context.Context, call *call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for call.state == waiting && ctx.Err() == nil {
		if call.turn == nil {
			call.turn = make(chan struct{}, 1)
		}
		c.mu.Unlock()
		select {
		case <-call.turn: // or it was signaled before, and has been since
		case <-ctx.Done():
		}
		c.mu.Lock()
	}
	if call.state == called && ctx.Err() == nil {
		return true
	}
	c.end(call, true)
	return false
}

// end removes a call from its line, and calls others in its place.
func (c *Calls) end(ended *call, reuse bool) {
	if l := ended.line; l != nil {
		if ended.state == waiting {
			l.remove(ended)
		} else {
			l.called = slices.DeleteFunc(l.called, func(other *call) bool { return other == ended })
		}
		l.arrange()
		if len(l.called) == 0 && l.oldest == nil {
			delete(c.lines, l.of)
			l.next, c.freeLines = c.freeLines, l
		}
	}
	if !reuse {
		return
	}
	ended.line, ended.state, ended.demoted = nil, waiting, false
	ended.prev, ended.next, c.free = nil, c.free, ended
}

// arrange calls those that should sleep.
func (l *line) arrange() {
	if !l.of.Send {
		for l.oldest != nil && (len(l.called) == 0 || !l.of.One && len(l.called) < atOnce && spareThread()) {
			l.call(l.oldest)
		}
		return
	}
	oldest, smallest := l.oldest, (*call)(nil)
	if len(l.heap) > 0 {
		smallest = l.heap[0]
	}
	for _, c := range l.called {
		if oldest == nil || c.number < oldest.number {
			oldest = c
		}
		if smallest == nil || c.isSmaller(smallest) {
			smallest = c
		}
	}
	if oldest == nil {
		return
	}
	if smallest.size >= oldest.size {
		smallest = oldest
	}
	for _, c := range l.called {
		if c != oldest && c != smallest && !c.demoted {
			c.demoted = true
			c.demoting++
			go c.demote()
		}
	}
	for _, c := range []*call{oldest, smallest} {
		if c.state == waiting {
			l.call(c)
		}
	}
}

// demote makes a call give up its turn.
func (c *call) demote() {
	c.wakeWhile(func() bool { return c.demoted })
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.demoting--
}

func (l *line) call(c *call) {
	l.remove(c)
	l.called = append(l.called, c)
	c.set(called)
}

// wake ends the calls that wait in Go, or are about to sleep.
func (l *line) wake() {
	for _, c := range l.called {
		c.state = woken
	}
	for l.oldest != nil {
		c := l.oldest
		l.remove(c)
		c.line = nil
		c.set(woken)
	}
}

// set changes the state of a waiting call.
func (c *call) set(s state) {
	c.state = s
	select {
	case c.turn <- struct{}{}:
	default: // it does not wait, or was signaled already
	}
}

// append puts a call at the end of the waiting ones.
func (l *line) append(c *call) { l.insert(c, l.latest) }

// rejoin puts a call that has given up its turn back to its place in the order.
func (l *line) rejoin(c *call) {
	l.called = slices.DeleteFunc(l.called, func(other *call) bool { return other == c })
	c.state, c.demoted = waiting, false
	before := (*call)(nil)
	for other := l.oldest; other != nil && other.number < c.number; other = other.behind {
		before = other
	}
	l.insert(c, before)
	l.arrange()
}

// insert puts a call after another one, or at the head.
func (l *line) insert(c, before *call) {
	l.length++
	c.before = before
	if before == nil {
		c.behind, l.oldest = l.oldest, c
	} else {
		c.behind, before.behind = before.behind, c
	}
	if c.behind == nil {
		l.latest = c
	} else {
		c.behind.before = c
	}
	if l.of.Send {
		heap.Push(&l.heap, c)
	}
}

// remove removes a call from the waiting ones.
func (l *line) remove(c *call) {
	l.length--
	if c.before == nil {
		l.oldest = c.behind
	} else {
		c.before.behind = c.behind
	}
	if c.behind == nil {
		l.latest = c.before
	} else {
		c.behind.before = c.before
	}
	c.before, c.behind = nil, nil
	if l.of.Send {
		heap.Remove(&l.heap, c.place)
	}
}

// isSmaller reports whether c has less to send than other, or the same and came
// earlier.
func (c *call) isSmaller(other *call) bool {
	return c.size < other.size || c.size == other.size && c.number < other.number
}

// bySize is a heap of calls, the smallest first.
type bySize []*call

func (h bySize) Len() int           { return len(h) }
func (h bySize) Less(i, j int) bool { return h[i].isSmaller(h[j]) }

func (h bySize) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *bySize) Push(x any) {
	c := x.(*call)
	c.place = len(*h)
	*h = append(*h, c)
}

func (h *bySize) Pop() any {
	last := len(*h) - 1
	c := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return c
}
