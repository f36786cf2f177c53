package pool

import (
	"context"
	"time"

	"ipcmq/internal/sleep"
	"ipcmq/internal/sys"
)

// recheck is how often waiting calls look at the pool while something in it is
// in use, since the process that should wake them may be killed just before.
const recheck = time.Second

// A join is calls that wait for the same thing.
type join struct {
	calls int
	nudge func()
}

// Join records that a call of this process begins to wait for messages. Until
// it leaves, nudge is called when a message may be due to be lent again. Calls
// with the same key share one nudge.
func (p *Pool) Join(key any, nudge func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	j := p.joins[key]
	if j == nil {
		j = &join{nudge: nudge}
		p.joins[key] = j
	}
	j.calls++
	if !p.watched {
		p.watched = true
		p.ended.Go(p.watchOver)
		return
	}
	if !p.resting {
		return
	}
	p.idle.Store(1)
	if p.inUse() {
		p.resting = false
		go p.watch.Nudge(sleep.Line{})
	}
}

// Leave ends what Join has begun.
func (p *Pool) Leave(key any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if j := p.joins[key]; j != nil {
		if j.calls--; j.calls == 0 {
			delete(p.joins, key)
		}
	}
}

// nudge makes waiting calls look.
func (p *Pool) nudge() {
	p.mu.Lock()
	all := make([]func(), 0, len(p.joins))
	for _, j := range p.joins {
		all = append(all, j.nudge)
	}
	p.mu.Unlock()
	for _, nudge := range all {
		nudge()
	}
}

// notify wakes the watchers of all processes; if it concerns waiting calls, these
// look too.
func (p *Pool) notify(concerns bool) {
	if concerns {
		p.returns.Add(1)
	}
	p.events.Add(1)
	sys.FutexWakeAll(p.events)
}

// watchOver makes those that wait look when they must, until Close.
func (p *Pool) watchOver() {
	calm := false
	for returns := p.returns.Load(); ; {
		errno := p.watch.Sleep(context.Background(), sleep.Line{}, 0, func(*sys.Deadline) sys.Errno {
			seen := p.events.Load()
			return p.sleep(seen, p.plan(&calm))
		})
		if p.watch.Closed() {
			return
		}
		if errno == sleep.NoThread {
			time.Sleep(recheck)
		}
		if now := p.returns.Load(); now != returns || p.anyAgain() {
			returns = now
			p.nudge()
		}
	}
}

// plan returns how long the watcher may sleep; less than 0 means until it is
// woken. calm says that it found nothing in use the last time.
func (p *Pool) plan(calm *bool) time.Duration {
	if p.busy() {
		*calm = false
		p.setResting(false)
		p.Judge()
		return p.next()
	}
	p.setResting(true)
	// It looks once more before it must be woken, so that occasional leases
	// need not wake it each time.
	if !*calm {
		*calm = true
		return recheck
	}
	p.idle.Store(1)
	if p.busy() { // by now
		return 0
	}
	return -1
}

// busy reports whether calls wait, and a message is in the pool.
func (p *Pool) busy() bool {
	p.mu.Lock()
	waiting := len(p.joins) > 0
	p.mu.Unlock()
	return waiting && p.inUse()
}

func (p *Pool) setResting(resting bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resting = resting
}

// inUse reports whether there is a message in the pool.
func (p *Pool) inUse() bool {
	for i := range p.used {
		if w := word(p.words[i].Load()); w.state() >= lent || w.state() == taking && p.typeOf(i, w) != 0 {
			return true
		}
	}
	return false
}

// next returns how long until the next message is due, recheck at most.
func (p *Pool) next() time.Duration {
	at := now()
	left := recheck
	for i := range p.used {
		if word(p.words[i].Load()).state() < taking {
			continue
		}
		if due := p.due[i].Load(); due > at {
			left = min(left, time.Duration(min(due-at, uint64(recheck))))
		}
	}
	return left
}

// anyAgain reports whether a message is due to be lent again.
func (p *Pool) anyAgain() bool {
	var at clock
	for i := range p.used {
		if w := word(p.words[i].Load()); p.again(i, w, &at) {
			return true
		}
	}
	return false
}

// AwaitRoom blocks the thread until a slot may be free, something may have to be
// lent again, or a signal comes, for a second at most.
func (p *Pool) AwaitRoom() sys.Errno {
	seen := p.events.Load()
	p.full.Store(1)
	for i := range p.slots {
		if word(p.words[i].Load()).state() == free {
			return 0
		}
	}
	if p.anyAgain() {
		return 0
	}
	return p.sleep(seen, p.next())
}

// sleep blocks the thread until another event than those seen, or the timeout.
// It returns 0, or EINTR after a signal.
func (p *Pool) sleep(seen uint32, timeout time.Duration) sys.Errno {
	if errno := sys.FutexWait(p.events, seen, timeout); errno == sys.EINTR {
		return errno
	}
	return 0
}
