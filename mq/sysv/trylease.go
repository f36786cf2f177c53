package sysv

import (
	"ipcmq/internal/sys"
	"ipcmq/mq"
)

// TryLease takes the next message on lease if there is one now; it never waits.
// Messages of killed holders count as there. See [mq.LeaseReceiver].
func (r *leaseReceiver) TryLease() (mq.Lease, error) {
	const op = "lease"
	q := r.q
	if err := q.usable(op, true); err != nil {
		return nil, err
	}
	r.judge()
	for {
		l, errno := r.try()
		switch {
		case l != nil:
			return &lease{q: q, lent: l}, nil
		case errno == sys.ENOMSG:
			return nil, q.handle.Fail(op, mq.ErrEmpty, errno, "")
		case errno == noRoom:
			return nil, q.handle.Fail(op, mq.ErrFull, errno, "no more messages can be lent at once (Config.MaxLeases)")
		case errno != sys.EINTR:
			return nil, r.failed(op, errno)
		}
	}
}

// judge finds out which holders have died.
func (r *leaseReceiver) judge() {
	r.q.leases.mu.RLock()
	defer r.q.leases.mu.RUnlock()
	if !r.q.leases.closed {
		r.pool.Judge()
	}
}
