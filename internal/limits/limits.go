// Package limits knows how far the kernel lets its limits of message queues be
// raised, so that no error advises a value that cannot be set.
package limits

import (
	"fmt"
	"math"
	"math/bits"
)

// A Limit is a sysctl with the highest value that the kernel accepts.
type Limit struct {
	Name    string
	Ceiling int64
}

// The limits of message queues. The ceilings are constants of the kernel
// (ipc/ipc_sysctl.c, ipc/mq_sysctl.c): no privilege goes beyond them.
var (
	MsgMax = Limit{"kernel.msgmax", math.MaxInt32}
	MsgMnb = Limit{"kernel.msgmnb", math.MaxInt32}
	MsgMni = Limit{"kernel.msgmni", 32768} // 16777216 if the system was booted with ipcmni_extend

	MqMsgDefault     = Limit{"fs.mqueue.msg_default", 65536}
	MqMsgMax         = Limit{"fs.mqueue.msg_max", 65536}
	MqMsgsizeDefault = Limit{"fs.mqueue.msgsize_default", 16 << 20}
	MqMsgsizeMax     = Limit{"fs.mqueue.msgsize_max", 16 << 20}
	MqQueuesMax      = Limit{"fs.mqueue.queues_max", math.MaxInt32}
)

// All lists the limits.
func All() []Limit {
	return []Limit{MsgMax, MsgMnb, MsgMni, MqMsgDefault, MqMsgMax, MqMsgsizeDefault, MqMsgsizeMax, MqQueuesMax}
}

// Allows reports whether the limit can be set to n.
func (l Limit) Allows(n int64) bool { return n <= l.Ceiling }

// Set returns the command that sets the limit to n, which the limit allows, or
// else says that it does not.
func (l Limit) Set(n int64) string {
	if !l.Allows(n) {
		return fmt.Sprintf("the kernel allows no more than %s = %d", l.Name, l.Ceiling)
	}
	return fmt.Sprintf("sysctl -w %s=%d", l.Name, n)
}

// SetAtLeast is Set for the least power of 2 that is at least n, as far as the
// limit can be raised.
func (l Limit) SetAtLeast(n int64) string {
	if !l.Allows(n) {
		return l.Set(n)
	}
	return l.Set(min(powerOf2(n), l.Ceiling))
}

// Double returns the command that doubles the limit, as far as it can be
// raised, given its value now.
func (l Limit) Double(now int64) string {
	if now >= l.Ceiling {
		return fmt.Sprintf("%s is at the kernel's own limit, %d", l.Name, l.Ceiling)
	}
	return l.Set(min(2*now, l.Ceiling))
}

// powerOf2 returns the least power of 2 that is at least n, for n up to 2^62.
func powerOf2(n int64) int64 { return 1 << bits.Len64(uint64(max(n, 1)-1)) }
