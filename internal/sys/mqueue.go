package sys

import (
	"math"
	"sync/atomic"
)

// MaxPriority is the highest priority of a POSIX message: MQ_PRIO_MAX of
// <linux/limits.h> less one.
const MaxPriority = 32767

// MqAttr is struct mq_attr of <linux/mqueue.h>, less its flags.
type MqAttr struct {
	MaxMessages    int64 // mq_maxmsg
	MaxMessageSize int64 // mq_msgsize, in bytes
	Messages       int64 // mq_curmsgs
}

// A Deadline is the time at which a sleeping call on a POSIX queue gives up. Its
// zero value is in the past. It is a struct __kernel_timespec of
// <linux/time_types.h>, in the kernel's hands while a call runs; what is stored
// then counts when the kernel next looks at it, which it does when it begins
// the call again after a signal.
type Deadline struct {
	sec, nsec atomic.Int64
}

// Never makes d a time that never comes.
func (d *Deadline) Never() { d.sec.Store(math.MaxInt64) }

// Expire makes d a time in the past.
func (d *Deadline) Expire() { d.sec.Store(0) }

// Expired reports whether Expire was called since Never.
func (d *Deadline) Expired() bool { return d.sec.Load() == 0 }
