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

// Calls are the waiting calls on one handle. The zero value is ready for use.
//
// msgsnd and msgrcv have no timeout, and no file descriptor wakes them; but a
// signal ends them with EINTR, and nothing has moved then. So a goroutine that
// may sleep locks itself to its thread and records its id, and to wake it, the
// thread is signaled.
//
// mq_timedsend and mq_timedreceive continue after a signal (those of the Go
// runtime have SA_RESTART) but read their deadline again, which has passed by
// then.
type Calls struct {
	closed atomic.Bool // written under mu

	mu    sync.Mutex
	last  uint64         // number of the latest call
	round uint64         // number of the latest system call
	lines map[Line]*line // of waiting calls
	first *call          // list of sleeping calls, the latest first

	free      *call // list of calls to reuse
	freeLines *line
}

type call struct {
	of     *Calls
	number uint64 // in the order of joining
	size   int

	line    *line
	turn    chan struct{} // signaled when state is no longer waiting; created on first use
	state   state
	demoted bool // it must give up its turn for another call
	place   int  // in the heap of waiting calls
	before  *call
	behind  *call

	tid        int    // of the thread that sleeps, 0 if none does
	round      uint64 // number of its system call
	demoting   int    // goroutines of demote that have the call
	deadline   sys.Deadline
	prev, next *call
}

// The states of a call.
type state uint8

const (
	waiting state = iota // in its line
	called               // it sleeps, or is about to
	woken                // it must look again: something has changed
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

// Sleep makes a system call that may sleep, when it is its turn in its line. size
// is the size of the payload to send in bytes. Sleep returns EINTR, possibly
// without having made the call, if ctx has ended, the handle is closed, or WakeAll
// was called: the caller finds out which. It returns [NoThread] if too many
// threads of the process sleep. A call that takes a deadline uses the given one.
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
	// Locked from Gettid until the call has returned, and no longer:
	// switching from a locked goroutine is slow.
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
	// If wake has started it still holds the call, which must not be reused
	// yet.
	return errno, c.leave(call, errno, stop())
}

// enter notes that the thread tid is about to sleep, unless the call has to wait
// again, because it was demoted before it came here.
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

// leave notes that the system call has returned. It reports whether the call
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
		// It was demoted, or an unrelated signal came, such as one with which
		// the Go runtime preempts.
		call.deadline.Never()
		call.line.rejoin(call)
		return true
	}
	c.end(call, stopped && call.demoting == 0)
	return false
}

// A signal that comes just before its thread has entered the kernel is lost, so
// it is repeated until the call has returned, after pauses that grow from the
// first to the last of these.
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

// kick signals the thread of the call and reports whether the call had not
// returned yet.
func (c *call) kick(wanted func() bool) bool {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if c.tid == 0 || !wanted() {
		return false
	}
	c.signal()
	return true
}

// WakeAll ends the calls that wait now and returns when the sleeping ones have
// returned. They get EINTR and look for its cause.
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

// Nudge interrupts the system calls of a line that are in progress, and returns
// when they have returned. Calls that must not end repeat theirs.
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

// Close makes every later Sleep fail, ends waiting calls and returns when the
// sleeping ones have returned.
func (c *Calls) Close() {
	c.mu.Lock()
	c.closed.Store(true)
	c.mu.Unlock()
	c.WakeAll()
}

// signal signals the thread of a call that has not returned. If the program
// ignores SIGURG, this restores its default action, which also does nothing but
// lets the signal interrupt: there is no other way to wake the thread.
func (c *call) signal() {
	c.deadline.Expire() // first, so that the kernel finds it
	if sys.KicksIgnored() {
		sys.StopIgnoringKicks()
	}
	sys.Kick(c.tid)
}
