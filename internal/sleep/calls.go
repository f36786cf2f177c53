// Package sleep makes system calls that sleep in the kernel and gets their
// threads back when a context ends or a handle is closed.
package sleep

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"ipcmq/internal/sys"
)

// Calls are the system calls on one handle that sleep in the kernel, or are
// about to. The zero value is ready for use.
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
	first *call  // list of those that sleep, the latest first
	free  *call  // list of those to use again
	last  uint64 // number of the latest
}

type call struct {
	of         *Calls
	number     uint64 // in the order of entering
	tid        int    // 0 once the system call has answered
	deadline   sys.Deadline
	prev, next *call
}

// Closed reports whether [Calls.Close] was called.
func (c *Calls) Closed() bool { return c.closed.Load() }

// Sleep makes a system call that may sleep. It answers EINTR, and has perhaps
// not made the call, if a signal came, ctx has ended, or the handle is closed:
// the caller looks which. A call that takes a deadline uses the one given.
func (c *Calls) Sleep(ctx context.Context, try func(*sys.Deadline) sys.Errno) sys.Errno {
	// Locked from Gettid until the call has answered, and no longer: a locked
	// goroutine hands over to another one slowly.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	call := c.enter(sys.Gettid())
	if call == nil {
		return sys.EINTR
	}
	if ctx.Done() == nil {
		errno := try(&call.deadline)
		c.leave(call, true)
		return errno
	}
	errno := sys.EINTR
	stop := context.AfterFunc(ctx, call.wake)
	if ctx.Err() == nil {
		errno = try(&call.deadline)
	}
	// Where wake has started it still holds the call, which it must not find
	// in use by another.
	c.leave(call, stop())
	return errno
}

func (c *Calls) enter(tid int) *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed.Load() {
		return nil
	}
	entered := c.free
	if entered != nil {
		c.free = entered.next
	} else {
		entered = &call{of: c}
	}
	c.last++
	entered.deadline.Never()
	entered.number, entered.tid, entered.prev, entered.next = c.last, tid, nil, c.first
	if c.first != nil {
		c.first.prev = entered
	}
	c.first = entered
	return entered
}

func (c *Calls) leave(call *call, reuse bool) {
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
	if reuse {
		call.next, c.free = c.free, call
	}
}

// A signal that comes just before its thread has entered the kernel is lost, so
// it is repeated until the call has answered, after pauses that grow between
// these two.
const (
	firstPause = 20 * time.Microsecond
	lastPause  = 10 * time.Millisecond
)

// wake ends one call.
func (c *call) wake() {
	for pause := firstPause; c.kick(); pause = min(2*pause, lastPause) {
		time.Sleep(pause)
	}
}

// kick signals the thread of the call and reports whether the call still had
// to answer.
func (c *call) kick() bool {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if c.tid == 0 {
		return false
	}
	c.signal()
	return true
}

// WakeAll ends the calls that sleep now and returns when they have answered.
// They see EINTR and look for its cause.
func (c *Calls) WakeAll() {
	c.mu.Lock()
	last := c.last
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

// Close makes every later Sleep fail, wakes those that sleep and returns when
// they have answered.
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
