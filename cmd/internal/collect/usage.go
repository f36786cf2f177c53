package collect

import (
	"os"

	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

// SysVUse holds the limits of System V queues and how much of them is used.
type SysVUse struct {
	sysv.Limits
	Usage   sysv.Usage
	Largest int64 // largest capacity in bytes; -1 if that is not known, or there is no queue
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

// MsgqueueLimit is the name of the limit for the memory of a user's POSIX queues.
const MsgqueueLimit = "RLIMIT_MSGQUEUE"

// PosixUse holds how much of the limits of POSIX queues is used.
type PosixUse struct {
	Queues, Messages, Size int   // how many queues; the largest of each
	Bytes                  int64 // of RLIMIT_MSGQUEUE, by the queues that this user owns

	Unlinked    Unlinked // included in the numbers above
	UnlinkedErr error    // why unlinked queues could not be looked for
}

// PosixUse finds out how much of the limits of POSIX queues is used. It fails if queues
// could not be listed; a single queue that cannot be read does not count.
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
