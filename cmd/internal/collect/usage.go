package collect

import (
	"os"

	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

// SysVUse is the limits of System V queues and what is used of them.
type SysVUse struct {
	sysv.Limits
	Usage   sysv.Usage
	Largest int64 // capacity in bytes; -1 if that is not known, or there is no queue
}

// SysVUse looks at the limits of System V queues.
func (l Listing) SysVUse() (SysVUse, error) {
	u := SysVUse{Largest: -1}
	var err error
	if u.Limits, err = sysv.SystemLimits(); err != nil {
		return SysVUse{}, err
	}
	if u.Usage, err = sysv.SystemUsage(); err != nil {
		return SysVUse{}, err
	}
	for _, q := range l.Queues {
		if q.Kind == SysV {
			u.Largest = max(u.Largest, q.Capacity)
		}
	}
	return u, nil
}

// MsgqueueLimit is the name of the limit of what a user's POSIX queues take.
const MsgqueueLimit = "RLIMIT_MSGQUEUE"

// PosixUse is what is used of the limits of POSIX queues.
type PosixUse struct {
	Queues, Messages, Size int   // how many; the largest
	Bytes                  int64 // of RLIMIT_MSGQUEUE, by the queues that this user owns

	Unlinked    Unlinked // which are among the others
	UnlinkedErr error    // why they could not be looked for
}

// PosixUse looks at what is used of the limits of POSIX queues. It fails if none
// could be listed; what could not be read of a single queue does not count.
func (l Listing) PosixUse() (u PosixUse, err error) {
	for _, q := range l.Queues {
		if q.Kind != Posix {
			continue
		}
		u.Queues++
		u.Messages = max(u.Messages, int(q.MaxMessages))
		u.Size = max(u.Size, int(q.MaxMessageSize))
		if int(q.UID) == os.Geteuid() {
			u.Bytes += posix.Footprint(int(q.MaxMessages), int(q.MaxMessageSize))
		}
	}
	if u.Queues == 0 && l.PosixErr != nil {
		return PosixUse{}, l.PosixErr
	}
	u.Unlinked, u.UnlinkedErr = unlinkedQueues()
	u.Queues += u.Unlinked.Queues
	u.Bytes += u.Unlinked.Bytes
	return u, nil
}
