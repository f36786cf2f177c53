package collect

import (
	"time"

	"ipcmq/mq/posix"
)

// A Host is everything seen at one time: queues with their waiters, inboxes, limits.
// Its errors and Unseen report what could not be seen.
type Host struct {
	Listing
	Begun time.Time
	Took  time.Duration

	Hidden  int   // processes that this user may not see waiting
	WaitErr error // why no waiting process can be seen

	Inboxes   Inboxes
	InboxErrs []error

	SysV        *SysVUse // nil if unknown
	PosixLimits *posix.Limits
	Posix       *PosixUse
	LimitErrs   []error
}

// Look looks at everything.
func Look() *Host {
	h := &Host{Begun: time.Now()}
	h.Listing = List()
	h.Hidden, h.WaitErr = Wait(h.Queues)
	h.Inboxes, h.InboxErrs = h.Listing.Inboxes()
	if u, err := h.SysVUse(); err == nil {
		h.SysV = &u
	} else {
		h.LimitErrs = append(h.LimitErrs, err)
	}
	if l, err := posix.SystemLimits(); err == nil {
		h.PosixLimits = &l
	} else {
		h.LimitErrs = append(h.LimitErrs, err)
	}
	if u, err := h.PosixUse(); err == nil {
		h.Posix = &u
	} // otherwise PosixErr has the reason
	h.Took = time.Since(h.Begun)
	return h
}

// Errors returns why something could not be seen.
func (h *Host) Errors() []error {
	all := append(h.Problems(), h.BadPools...)
	all = append(all, h.InboxErrs...)
	all = append(all, h.LimitErrs...)
	if h.WaitErr != nil {
		all = append(all, h.WaitErr)
	}
	if h.Posix != nil && h.Posix.UnlinkedErr != nil {
		all = append(all, h.Posix.UnlinkedErr)
	}
	return all
}

// Unseen counts what could not be seen. All 0 means that everything was seen.
type Unseen struct {
	SysVQueues  int // 1 if they could not all be listed
	PosixQueues int // the same
	States      int // queues whose messages or capacity this user may not see
	Pools       int // pools whose leases this user may not see; 1 more if they could not all be listed
	Waiting     int // processes that may wait at queues
	Unlinked    int // processes that may have unlinked queues open
	Inboxes     int // inboxes that may be of dead processes
	Limits      int // limits, or how much of them is used
}

// Unseen counts what could not be seen.
func (h *Host) Unseen() (u Unseen) {
	u.SysVQueues, u.PosixQueues = count(h.SysVErr), count(h.PosixErr)
	for _, q := range h.Queues {
		if q.Messages < 0 || q.Capacity < 0 {
			u.States++
		}
	}
	u.Pools = h.HiddenPools + count(h.PoolErr)
	u.Waiting = h.Hidden + count(h.WaitErr)
	u.Inboxes = len(h.Inboxes.Unknown) + len(h.InboxErrs)
	u.Limits = len(h.LimitErrs)
	if h.Posix != nil {
		u.Unlinked = h.Posix.Unlinked.Hidden + count(h.Posix.UnlinkedErr)
	} else {
		u.Unlinked = 1
	}
	return u
}

func count(err error) int {
	if err != nil {
		return 1
	}
	return 0
}
