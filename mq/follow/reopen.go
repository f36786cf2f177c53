package follow

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"ipcmq/mq"
)

// firstPause is how long to wait after the first failure to open a queue.
const firstPause = time.Millisecond

// current returns the queue to use now. If there is none it waits for one until
// ctx ends; with a nil ctx it tries once, if it is time to.
func (q *Queue) current(op string, ctx context.Context) (*opened, error) {
	for {
		now, is, err := q.state(op)
		switch {
		case err != nil:
			return nil, err
		case is == here:
			return now, nil
		case is == unsure:
			q.look(now)
		case ctx == nil:
			if !q.tryNow() {
				return nil, q.none(op)
			}
		default:
			select {
			case q.turn <- struct{}{}:
				err = q.reopen(op, ctx)
			case <-ctx.Done():
				err = q.ended(op, ctx)
			case <-q.closing:
				err = q.ended(op, ctx)
			}
			if err != nil {
				return nil, err
			}
		}
	}
}

// What is known about a queue.
type known int

const (
	here   known = iota
	unsure       // it is time to check whether it was unlinked
	gone
)

func (q *Queue) state(op string) (*opened, known, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch now := q.now; {
	case q.closed:
		return nil, gone, q.fail(op, mq.ErrClosed, nil)
	case now.gone:
		return now, gone, nil
	case !now.seesRemoval && time.Since(now.looked) >= q.every:
		return now, unsure, nil
	default:
		return now, here, nil
	}
}

// none returns the error of a Try call while there is no queue. It is that of
// an empty or a full queue, since there may be another soon.
func (q *Queue) none(op string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	kind := mq.ErrEmpty
	if op == "send" {
		kind = mq.ErrFull
	}
	e := q.fail(op, kind, mq.ErrRemoved)
	e.Detail = q.why()
	return e
}

// look checks whether a queue that does not see its removal still has its name.
func (q *Queue) look(now *opened) {
	err := check(now.queue)
	if errors.Is(err, mq.ErrRemoved) {
		q.lose(now, err)
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now.looked = time.Now()
}

func check(q mq.Queue) error {
	if c, ok := mq.As[mq.Checker](q); ok {
		return c.Check()
	}
	return nil
}

// lose notes that a queue is gone.
func (q *Queue) lose(now *opened, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.now == now && !now.gone {
		now.gone = true
		q.lost = &Event{Err: err, Queue: nameOf(now.queue)}
	}
}

// tryNow opens the queue if it is time to, and no other call is just opening it.
func (q *Queue) tryNow() (done bool) {
	select {
	case q.turn <- struct{}{}:
	default: // another call is just opening it
		return false
	}
	defer q.pass()
	return q.over() || !time.Now().Before(q.next) && q.openOnce()
}

// reopen tries to open the queue until it succeeds or ctx ends. It is called with
// the turn, and gives it up.
func (q *Queue) reopen(op string, ctx context.Context) error {
	defer q.pass()
	if q.over() {
		return nil
	}
	timer := time.NewTimer(time.Until(q.next))
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			if q.openOnce() {
				return nil
			}
			timer.Reset(time.Until(q.next))
		case <-ctx.Done():
			return q.ended(op, ctx)
		case <-q.closing:
			return q.ended(op, ctx)
		}
	}
}

// pass gives up the turn.
func (q *Queue) pass() { <-q.turn }

// over reports whether there is nothing to open, because another call has done it
// or q is closed. Otherwise it reports once that the queue is gone. It is called
// with the turn.
func (q *Queue) over() bool {
	q.mu.Lock()
	lost, over := q.lost, !q.now.gone || q.closed
	q.lost = nil
	lasted := time.Since(q.now.since)
	q.mu.Unlock()
	if lost == nil {
		return over
	}
	if q.next = time.Now(); lasted >= q.every {
		q.pause = firstPause
	} else { // it comes and goes
		q.pause = min(max(2*q.pause, firstPause), q.every)
		q.next = q.next.Add(q.pause)
	}
	q.report(*lost)
	return over
}

func (q *Queue) report(e Event) {
	q.log(e)
	if q.changed != nil {
		q.changed(e)
	}
}

// openOnce tries to open the queue. It is called with the turn.
func (q *Queue) openOnce() (done bool) {
	queue, err := q.open()
	if err == nil {
		if err = check(queue); err != nil { // it is gone already
			queue.Close()
		}
	}
	if err != nil {
		q.next = time.Now().Add(q.pause)
		q.pause = min(2*q.pause, q.every)
		q.refused(err)
		return false
	}
	old := q.replace(newOpened(queue))
	if old != nil {
		old.Close()
	}
	if old == queue { // q was closed
		return true
	}
	q.report(Event{Queue: nameOf(queue)})
	return true
}

// replace makes another queue the current one. It returns one to close, or nil.
func (q *Queue) replace(now *opened) mq.Exchange {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return now.queue
	}
	old := q.now
	q.now, q.problem = now, ""
	if !old.seesRemoval && q.receives {
		q.before = append(q.before, old)
		return nil
	}
	return old.queue
}

// refused notes why the queue could not be opened, and reports it if the reason
// is new.
func (q *Queue) refused(err error) {
	problem := err.Error()
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, mq.ErrRemoved) {
		problem = ""
	}
	q.mu.Lock()
	reported := problem == "" || problem == q.problem
	q.problem = problem
	q.mu.Unlock()
	if !reported {
		q.report(Event{Err: err})
	}
}

// takeOld takes a message that s selects from an unlinked queue.
func (q *Queue) takeOld(s mq.Selector, m *mq.Message) bool {
	for {
		q.mu.Lock()
		q.receives = true
		var old *opened
		if len(q.before) > 0 {
			old = q.before[0]
		} else if q.now.gone && !q.now.seesRemoval {
			old = q.now
		}
		q.mu.Unlock()
		if old == nil {
			return false
		}
		from, err := old.queue.Select(s)
		if err == nil {
			err = from.TryReceiveInto(m)
		}
		if err == nil {
			return true
		}
		// Calls that wait there still get messages until they check.
		if s.Kind() != mq.SelectAny || !q.forget(old) {
			return false
		}
		old.queue.Close()
	}
}

// forget removes a queue from the unlinked ones, and reports whether it was among
// them.
func (q *Queue) forget(old *opened) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.before) == 0 || q.before[0] != old {
		return false
	}
	q.before = q.before[1:]
	return true
}
