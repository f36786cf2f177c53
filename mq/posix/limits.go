package posix

import (
	"math"
	"strconv"

	"ipcmq/internal/procfs"
	"ipcmq/internal/sys"
	"ipcmq/mq"
)

// Limits are the limits of POSIX queues. Those of fs.mqueue belong to the IPC
// namespace, are raised with sysctl(8), and do not apply to processes with
// CAP_SYS_RESOURCE. RLIMIT_MSGQUEUE counts all queues of a user together.
type Limits struct {
	DefaultMessages    int // messages that a new queue can hold: fs.mqueue.msg_default, 10 by default
	MaxMessages        int // messages that a queue may be created to hold: fs.mqueue.msg_max, 10 by default
	DefaultMessageSize int // largest payload of a new queue in bytes: fs.mqueue.msgsize_default, 8192 by default
	MaxMessageSize     int // largest payload that a queue may be created for, in bytes: fs.mqueue.msgsize_max, 8192 by default
	MaxQueues          int // queues in the namespace: fs.mqueue.queues_max, 256 by default

	// UserBytes and MaxUserBytes are the soft and hard RLIMIT_MSGQUEUE in bytes,
	// 819200 by default; -1 means unlimited. See [Footprint].
	UserBytes, MaxUserBytes int64
}

const unlimited = math.MaxUint64 // RLIM_INFINITY

// SystemLimits returns the limits in force now for this process. The error
// matches fs.ErrNotExist if /proc is not mounted or the system has no POSIX
// queues.
//
// See mq_overview(7).
func SystemLimits() (Limits, error) {
	l, err := procfs.MqueueLimits(procfs.Root)
	if err != nil {
		return Limits{}, &mq.Error{Op: "read limits", Err: err}
	}
	soft, hard, errno := sys.MqLimit()
	if errno != 0 {
		return Limits{}, &mq.Error{Op: "read limits", Err: errno}
	}
	return Limits{
		DefaultMessages: int(l.MsgDefault), MaxMessages: int(l.MsgMax),
		DefaultMessageSize: int(l.MsgsizeDefault), MaxMessageSize: int(l.MsgsizeMax),
		MaxQueues: int(l.QueuesMax),
		UserBytes: signed(soft), MaxUserBytes: signed(hard),
	}, nil
}

func signed(limit uint64) int64 {
	if limit > math.MaxInt64 {
		return -1
	}
	return int64(limit)
}

// Footprint returns how many bytes of RLIMIT_MSGQUEUE a queue takes that can hold
// the given number of messages of the given size. They cover the messages and the
// kernel's own records, and count from the creation of the queue on, however many
// messages are in it. A queue of the default sizes takes 82880 bytes on 64-bit
// systems, so nine fit into the default limit.
//
// The result is for a kernel with the program's word size. A 32-bit program on a
// 64-bit kernel gets less than the queue takes: that is 24 bytes more for each
// message that it can hold, and another 24 for each of the first 32768.
//
// See RLIMIT_MSGQUEUE in getrlimit(2).
func Footprint(maxMessages, maxMessageSize int) int64 {
	return footprint(int64(maxMessages), int64(maxMessageSize))
}

func footprint(messages, size int64) int64 {
	record := int64(48) // struct msg_msg, and struct posix_msg_tree_node, on 64-bit systems
	if strconv.IntSize == 32 {
		record = 24
	}
	return messages*(record+size) + min(messages, sys.MaxPriority+1)*record
}
