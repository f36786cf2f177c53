package sysv

import (
	"ipcmq/internal/sys"
	"ipcmq/mq"
)

// Limits are the limits of the caller's IPC namespace. Raise them with
// sysctl(8). Linux does not enforce the other values of IPC_INFO, such as
// msgtql.
type Limits struct {
	MaxMessage      int // bytes of payload of one message: kernel.msgmax, 8192 by default
	DefaultCapacity int // bytes of payload in a new queue: kernel.msgmnb, 16384 by default
	MaxQueues       int // queues: kernel.msgmni, 32000 by default
}

// Usage is how much of the [Limits] is used.
type Usage struct {
	Queues   int // queues that exist
	Messages int // messages in all queues
	Bytes    int // bytes of payload in all queues
	MaxIndex int // highest index in use in the kernel's table of queues
}

// SystemLimits returns the limits in force now. See msgctl(2), IPC_INFO.
func SystemLimits() (Limits, error) {
	i, errno := sys.MsgLimits()
	if errno != 0 {
		return Limits{}, limitsError("read limits", errno)
	}
	return Limits{MaxMessage: int(i.Max), DefaultCapacity: int(i.Mnb), MaxQueues: int(i.Mni)}, nil
}

// SystemUsage returns how much of the limits is used now. See msgctl(2),
// MSG_INFO.
func SystemUsage() (Usage, error) {
	index, i, errno := sys.MsgUsage()
	if errno != 0 {
		return Usage{}, limitsError("read usage", errno)
	}
	return Usage{Queues: int(i.Pool), Messages: int(i.Map), Bytes: int(i.Tql), MaxIndex: index}, nil
}

func limitsError(op string, errno sys.Errno) error {
	e := &mq.Error{Op: op, Err: errno}
	if errno == sys.ENOSYS || errno == sys.EPERM {
		e.Detail = noQueues
	}
	return e
}
