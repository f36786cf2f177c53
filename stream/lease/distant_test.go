package lease_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
)

// A distant queue fails like one on a server: when down, it is unavailable; and
// answers are lost, whether the call has done its work or not.
type distant struct {
	*mqtest.Queue
	j *journal

	mu     sync.Mutex
	down   error            // what every call returns, if not nil
	up     string           // the one that works
	answer map[string]error // what the next call with this name returns after its work
}

func newDistant(tb testing.TB) *distant {
	return &distant{Queue: lendingQueue(tb), j: newJournal(), answer: map[string]error{}}
}

func (q *distant) setDown(err error) { q.setDownBut("", err) }

// setDownBut is setDown for all operations but one.
func (q *distant) setDownBut(up string, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.up, q.down = up, err
}

func (q *distant) loseAnswer(op string, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.answer[op] = err
}

// call does work unless the queue is down.
func (q *distant) call(op string, work func() error) error {
	q.mu.Lock()
	down := q.down
	if op == q.up {
		down = nil
	}
	q.mu.Unlock()
	if down != nil {
		return down
	}
	err := work()
	q.mu.Lock()
	defer q.mu.Unlock()
	if lost := q.answer[op]; lost != nil {
		delete(q.answer, op)
		q.j.note("answer of %s is lost", op)
		return lost
	}
	return err
}

func (q *distant) SelectLeases(s mq.Selector) (r mq.LeaseReceiver, err error) {
	err = q.call("select leases", func() error {
		r, err = q.Queue.SelectLeases(s)
		return err
	})
	return &distantReceiver{r, q}, err
}

type distantReceiver struct {
	mq.LeaseReceiver
	q *distant
}

func (r *distantReceiver) LeaseBatch(ctx context.Context, n int) (leases []mq.Lease, err error) {
	err = r.q.call("lease", func() error {
		leases, err = r.LeaseReceiver.LeaseBatch(ctx, n)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range leases {
		leases[i] = &distantLease{leases[i], r.q}
	}
	return leases, nil
}

type distantLease struct {
	mq.Lease
	q *distant
}

func (l *distantLease) Ack(ctx context.Context) error {
	return l.q.call("ack", func() error { return l.Lease.Ack(ctx) })
}

func (l *distantLease) Nak(ctx context.Context, delay time.Duration) error {
	return l.q.call("nak", func() error { return l.Lease.Nak(ctx, delay) })
}

func (l *distantLease) Extend(ctx context.Context) error {
	return l.q.call("extend", func() error { return l.Lease.Extend(ctx) })
}

func unavailable(op string) error { return &mq.Error{Op: op, Kind: mq.ErrUnavailable} }
func inDoubt(op string) error     { return &mq.Error{Op: op, Kind: mq.ErrInDoubt} }
