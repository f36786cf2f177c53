// Package sleep makes system calls that sleep in the kernel and gets their
// threads back when a context ends or a handle is closed. However many
// goroutines wait for the same, a few of them sleep in the kernel, each with a
// thread, and the others wait in Go for their turn.
package sleep

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"ipcmq/internal/sys"
)

// Calls are the calls on one handle that wait. The zero value is ready for use.
//
// msgsnd and msgrcv know no timeout, and no file descriptor wakes them; but a
// signal ends them with EINTR, and nothing has moved then. So a goroutine that
// may sleep locks itself to its thread and notes which one that is, and whoever
// wants it back signals the thread.
//
// mq_timedsend and mq_timedreceive go on after a signal (those of the Go runtime
// have SA_RESTART) but read their deadline again, and it has passed by then.
type Calls struct {
	closed atomic.Bool // written under mu

	mu    sync.Mutex
	last  uint64         // number of the latest call
	round uint64         // number of the latest system call
	lines map[Line]*line // of those that wait
	first *call          // list of those that sleep, the latest first

	free      *call // list of those to use again
	freeLines *line
}

type call struct {
	of     *Calls
	number uint64 // in the order of joining
	size   int

	line    *line
	turn    chan struct{} // told when state is no longer waiting; made for the first that waits
	state   state
	demoted bool // it is to give up its turn for another call
	place   int  // in the heap of those that wait
	before  *call
	behind  *call

	tid        int    // of the thread that sleeps, 0 if none does
	round      uint64 // number of its system call
	demoting   int    // goroutines of demote that have the call
	deadline   sys.Deadline
	prev, next *call
}

// What a call does.
type state uint8

const (
	waiting state = iota // in its line
	called               // it sleeps, or is about to
	woken                // it is to look around: something has changed
)

// Closed reports whether [Calls.Close] was called.
func (c *Calls) Closed() bool { return c.closed.Load() }

// Waiting returns how many calls wait, in the kernel or for their turn.
func (c *Calls) Waiting() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.lines {
		n += len(l.called) + l.length
	}
	return n
}

// Sleep makes a system call that may sleep, when it is its turn in its line.
// size is the bytes of a payload that is sent. Sleep answers EINTR, and has
// perhaps not made the call, if ctx has ended, the handle is closed, or WakeAll
// was called: the caller looks which. It answers [NoThread] if too many threads of
// the process sleep. A call that takes a deadline uses the one given.
func (c *Calls) Sleep(ctx context.Context, in Line, size int, try func(*sys.Deadline) sys.Errno) sys.Errno {
	call := c.join(in, size)
	if call == nil {
		return sys.EINTR
	}
	for {
		if !c.await(ctx, call) {
			return sys.EINTR
		}
		errno, again := c.sleep(ctx, call, try)
		if !again {
			return errno
		}
	}
}

// sleep makes the system call, and ends the call unless it has to wait again.
func (c *Calls) sleep(ctx context.Context, call *call, try func(*sys.Deadline) sys.Errno) (errno sys.Errno, again bool) {
	// Locked from Gettid until the call has answered, and no longer: a locked
	// goroutine hands over to another one slowly.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if errno, again := c.enter(call, sys.Gettid()); errno != 0 || again {
		return errno, again
	}
	if ctx.Done() == nil {
		errno = try(&call.deadline)
		return errno, c.leave(call, errno, true)
	}
	errno = sys.EINTR
	stop := context.AfterFunc(ctx, call.wake)
	if ctx.Err() == nil {
		errno = try(&call.deadline)
	}
	// Where wake has started it still holds the call, which it must not find
	// in use by another.
	return errno, c.leave(call, errno, stop())
}

// enter notes that the thread tid is about to sleep, unless the call has to wait
// again, since it was demoted before it came here.
func (c *Calls) enter(call *call, tid int) (errno sys.Errno, again bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if call.state == called && call.demoted {
		call.line.rejoin(call)
		return 0, true
	}
	errno = sys.EINTR
	if call.state == called {
		errno = takeThread()
	}
	if errno != 0 {
		c.end(call, true)
		return errno, false
	}
	call.tid = tid
	c.round++
	call.round = c.round
	call.prev, call.next = nil, c.first
	if c.first != nil {
		c.first.prev = call
	}
	c.first = call
	return 0, false
}

// leave notes that the system call has answered. It reports whether the call
// was only interrupted, and waits again; otherwise it has ended.
func (c *Calls) leave(call *call, errno sys.Errno, stopped bool) (again bool) {
	giveThread()
	c.mu.Lock()
	defer c.mu.Unlock()
	call.tid = 0
	if call.prev != nil {
		call.prev.next = call.next
	} else {
		c.first = call.next
	}
	if call.next != nil {
		call.next.prev = call.prev
	}
	interrupted := errno == sys.EINTR || errno == sys.ETIMEDOUT
	if interrupted && stopped && call.state == called && !c.closed.Load() {
		// It was demoted, or a signal came that was meant for something else,
		// such as those by which the Go runtime preempts.
		call.deadline.Never()
		call.line.rejoin(call)
		return true
	}
	c.end(call, stopped && call.demoting == 0)
	return false
}

// A signal that comes just before its thread has entered the kernel is lost, so
// it is repeated until the call has answered, after pauses that grow between
// these two.
const (
	firstPause = 20 * time.Microsecond
	lastPause  = 10 * time.Millisecond
)

// wake ends the system call of one call.
func (c *call) wake() { c.wakeWhile(func() bool { return true }) }

func (c *call) wakeWhile(wanted func() bool) {
	for pause := firstPause; c.kick(wanted); pause = min(2*pause, lastPause) {
		time.Sleep(pause)
	}
}

// kick signals the thread of the call and reports whether the call still had
// to answer.
func (c *call) kick(wanted func() bool) bool {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if c.tid == 0 || !wanted() {
		return false
	}
	c.signal()
	return true
}

// WakeAll ends the calls that wait now and returns when those that sleep have
// answered. They see EINTR and look for its cause.
func (c *Calls) WakeAll() {
	c.mu.Lock()
	last := c.last
	for _, l := range c.lines {
		l.wake()
	}
	c.mu.Unlock()
	for pause := firstPause; c.kickUpTo(last); pause = min(2*pause, lastPause) {
		time.Sleep(pause)
	}
}

// kickUpTo signals the threads of the calls with numbers up to last and reports
// whether there were any.
func (c *Calls) kickUpTo(last uint64) (any bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for call := c.first; call != nil; call = call.next {
		if call.number <= last {
			call.signal()
			any = true
		}
	}
	return any
}

// Nudge interrupts the system calls of a line that are under way, and returns when
// they have answered. Calls that are not to end make theirs again.
func (c *Calls) Nudge(in Line) {
	c.mu.Lock()
	round := c.round
	c.mu.Unlock()
	for pause := firstPause; c.kickLine(in, round); pause = min(2*pause, lastPause) {
		time.Sleep(pause)
	}
}

// kickLine signals the threads of a line whose system calls have numbers up to
// round, and reports whether there were any.
func (c *Calls) kickLine(in Line, round uint64) (any bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lines[in]
	if l == nil {
		return false
	}
	for _, call := range l.called {
		if call.tid != 0 && call.round <= round {
			call.signal()
			any = true
		}
	}
	return any
}

// Close makes every later Sleep fail, ends those that wait and returns when the
// ones that sleep have answered.
func (c *Calls) Close() {
	c.mu.Lock()
	c.closed.Store(true)
	c.mu.Unlock()
	c.WakeAll()
}

// signal signals the thread of a call that has not answered. A program that has
// SIGURG ignored gets the default back here, which does nothing either but lets
// the signal interrupt: there is no other way to get the thread back.
func (c *call) signal() {
	c.deadline.Expire() // first, so that the kernel finds it
	if sys.KicksIgnored() {
		sys.StopIgnoringKicks()
	}
	sys.Kick(c.tid)
}
