package collect

import (
	"errors"
	"io/fs"
	"strconv"
	"syscall"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

// Leases are the lent messages of a System V queue: they are in its pool, no longer in
// the queue. Unknown numbers are -1.
type Leases struct {
	Held     int      `json:"held"`     // by processes
	Dead     int      `json:"dead"`     // of these: by processes that have ended
	Unjudged int      `json:"unjudged"` // of these: by processes of which it is unknown whether they are alive
	Returned int      `json:"returned"` // given back, to be lent again later
	Due      int      `json:"due"`      // of all: to be lent again now
	Holders  []Holder `json:"holders,omitempty"`

	Slots   int   `json:"slots"` // how many messages can be lent
	Free    int   `json:"free"`  // how many more
	Segment int   `json:"segment"`
	Bytes   int64 `json:"bytes"` // of the segment

	Problem error `json:"-"` // why the leases cannot be seen
}

// Messages returns how many messages are in the pool, or -1 if that is not known.
func (l *Leases) Messages() int {
	switch {
	case l == nil:
		return 0
	case l.Held < 0:
		return -1
	}
	return l.Held + l.Returned
}

// A Holder is a process that has messages on lease.
type Holder struct {
	Process
	Unknown  bool       `json:"unknown,omitempty"` // whether it is alive is unknown
	Messages int        `json:"messages"`
	Since    *time.Time `json:"since,omitempty"` // when the first of these leases began
	Until    *time.Time `json:"until,omitempty"` // when the first of them runs out
}

func (h Holder) String() string {
	switch {
	case h.PID == 0:
		return "an unknown process"
	case h.Unknown:
		return strconv.Itoa(h.PID) + " (in another pid namespace, or hidden)"
	}
	return h.Process.String()
}

// A Lent is a message in a pool.
type Lent struct {
	Type      int64      `json:"type"`
	Sequence  uint64     `json:"sequence"`
	Attempt   int        `json:"attempt"`
	Size      int        `json:"size"`                // -1 if it is just being taken
	Uncertain bool       `json:"uncertain,omitempty"` // the payload may be cut
	Returned  bool       `json:"returned,omitempty"`
	Due       bool       `json:"due,omitempty"`
	Holder    *Holder    `json:"holder,omitempty"` // nil if it was given back
	Until     *time.Time `json:"until,omitempty"`  // of the lease, or of the delay

	pool   sysv.Pool
	leased sysv.Leased
}

// Message returns a copy of the message.
func (l Lent) Message() (mq.Message, error) { return l.pool.Peek(l.leased) }

// An Orphan is a pool whose queue is gone.
type Orphan struct {
	Key      sysv.Key
	Segment  int
	Owner    string
	Messages int // in it; -1 if not known
	Attached int
	Bytes    int64
}

// addLeases adds the leases to the queues.
func (l *Listing) addLeases(seen processes) {
	queues := map[int]*Queue{}
	for i := range l.Queues {
		if q := &l.Queues[i]; q.Kind == SysV {
			queues[*q.ID] = q
		}
	}
	for p, err := range sysv.Pools() {
		if err != nil && p.Size == 0 {
			l.PoolErr = err
			for _, q := range queues { // which may have some
				if q.Leases == nil {
					q.Leases = hiddenLeases(p, err)
				}
			}
			return
		}
		q := queues[p.Queue]
		switch {
		case p.Orphan:
			o := Orphan{p.Key, p.Segment, UserName(p.UID), p.Held + p.Returned, p.Attached, p.Size}
			if err != nil {
				o.Messages = -1
			}
			l.Orphans = append(l.Orphans, o)
		case hidden(err):
			l.HiddenPools++
			if q != nil {
				q.Leases = hiddenLeases(p, err)
			}
		case err != nil:
			l.BadPools = append(l.BadPools, err)
			if q != nil {
				q.Leases = hiddenLeases(p, err)
			}
		case q != nil:
			q.Leases = leasesIn(p, seen)
		}
	}
}

// hidden reports whether this user has no permission to see a pool. A segment of
// another user that is not a pool is not hidden.
func hidden(err error) bool {
	return errors.Is(err, fs.ErrPermission) && (errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM))
}

func hiddenLeases(p sysv.Pool, why error) *Leases {
	return &Leases{Held: -1, Dead: -1, Unjudged: -1, Returned: -1, Due: -1, Slots: -1, Free: -1, Segment: p.Segment, Bytes: p.Size, Problem: why}
}

func leasesIn(p sysv.Pool, seen processes) *Leases {
	l := &Leases{Held: p.Held, Dead: p.Dead, Unjudged: p.Unjudged, Returned: p.Returned, Due: p.Due,
		Slots: p.Slots, Free: p.Free, Segment: p.Segment, Bytes: p.Size}
	for _, h := range p.Holders {
		l.Holders = append(l.Holders, holderOf(h, seen))
	}
	return l
}

func holderOf(h sysv.Holder, seen processes) Holder {
	holder := Holder{Process: Process{PID: h.PID, Gone: h.Ended}, Unknown: !h.Known, Messages: h.Messages, Since: known(h.Since), Until: known(h.Until)}
	if h.Known && !h.Ended {
		holder.Command = seen.of(h.PID).command
	}
	return holder
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// OfOpenSysV returns the open queue with its leases.
func OfOpenSysV(opened *sysv.Queue) (Queue, sysv.Stat, error) {
	s, err := opened.Stat()
	if err != nil {
		return Queue{}, s, err
	}
	seen := processes{}
	q := ofSysV(s, seen)
	p, err := opened.Pool()
	switch {
	case err == nil:
		q.Leases = leasesIn(p, seen)
	case !errors.Is(err, fs.ErrNotExist):
		q.Leases = hiddenLeases(p, err)
	}
	one := Listing{Queues: []Queue{q}}
	one.addLarge()
	return one.Queues[0], s, nil
}

// LentOf returns the lent messages of the queue, the oldest first, up to most unless
// that is 0. The error matches fs.ErrNotExist if none was ever lent.
func LentOf(opened *sysv.Queue, most int) (all []Lent, _ error) {
	p, err := opened.Pool()
	if err != nil {
		return nil, err
	}
	leases, err := p.Leases(most)
	if err != nil {
		return nil, err
	}
	seen := processes{}
	for _, m := range leases {
		l := Lent{Type: m.Type, Sequence: m.Sequence, Attempt: m.Attempt, Size: m.Size, Uncertain: m.Uncertain,
			Returned: m.Returned, Due: m.Due, Until: known(m.Until), pool: p, leased: m}
		if !m.Returned {
			h := holderOf(m.Holder, seen)
			l.Holder = &h
		}
		all = append(all, l)
	}
	return all, nil
}
