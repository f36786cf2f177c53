// Package limits knows how far the kernel's limits of message queues can be
// raised, so that no error advises a value that cannot be set.
package limits

import (
	"fmt"
	"math"
	"math/bits"
)

// A Limit is a sysctl with the highest value that the kernel accepts.
type Limit struct {
	Name     string
	Ceiling  int64
	Extended int64 // the ceiling if the system was booted with a larger table, or 0
}

// The limits of message queues. The ceilings are constants of the kernel
// (ipc/ipc_sysctl.c, ipc/mq_sysctl.c): no privilege goes beyond them.
var (
	MsgMax = Limit{"kernel.msgmax", math.MaxInt32, 0}
	MsgMnb = Limit{"kernel.msgmnb", math.MaxInt32, 0}
	MsgMni = Limit{"kernel.msgmni", 32768, 1 << 24} // with ipcmni_extend

	MqMsgDefault     = Limit{"fs.mqueue.msg_default", 65536, 0}
	MqMsgMax         = Limit{"fs.mqueue.msg_max", 65536, 0}
	MqMsgsizeDefault = Limit{"fs.mqueue.msgsize_default", 16 << 20, 0}
	MqMsgsizeMax     = Limit{"fs.mqueue.msgsize_max", 16 << 20, 0}
	MqQueuesMax      = Limit{"fs.mqueue.queues_max", math.MaxInt32, 0}
)

// All lists the limits.
func All() []Limit {
	return []Limit{MsgMax, MsgMnb, MsgMni, MqMsgDefault, MqMsgMax, MqMsgsizeDefault, MqMsgsizeMax, MqQueuesMax}
}

// Allows reports whether the limit can be set to n.
func (l Limit) Allows(n int64) bool { return n <= l.Ceiling }

// Set returns the command that sets the limit to n, or if that is not possible,
// says so.
func (l Limit) Set(n int64) string {
	if !l.Allows(n) {
		return fmt.Sprintf("the kernel allows no more than %s = %d", l.Name, l.Ceiling)
	}
	return fmt.Sprintf("sysctl -w %s=%d", l.Name, n)
}

// SetAtLeast is Set for the smallest power of 2 that is at least n, as far as
// the limit can be raised.
func (l Limit) SetAtLeast(n int64) string {
	if !l.Allows(n) {
		return l.Set(n)
	}
	return l.Set(min(powerOf2(n), l.Ceiling))
}

// AtCeiling reports whether the limit, given its current value, cannot be
// raised.
func (l Limit) AtCeiling(now int64) bool {
	// A value above the ceiling is possible only with the extended one.
	return now == l.Ceiling || now > l.Ceiling && now >= l.Extended
}

// Double returns the command that doubles the limit, as far as it can be
// raised, given its current value.
func (l Limit) Double(now int64) string {
	switch {
	case l.AtCeiling(now):
		return fmt.Sprintf("%s is at the kernel's own limit, %d", l.Name, now)
	case now > l.Ceiling:
		return fmt.Sprintf("sysctl -w %s=%d", l.Name, min(2*now, l.Extended))
	}
	return l.Set(min(max(2*now, 1), l.Ceiling))
}

// defaultMsgqueue is the default RLIMIT_MSGQUEUE of a system.
const defaultMsgqueue = 819200

// DoubleMsgqueue returns the command that doubles RLIMIT_MSGQUEUE for a shell and
// its children, given the current soft and hard limits; -1 means unlimited.
func DoubleMsgqueue(soft, hard int64) string {
	if soft < 0 {
		return "RLIMIT_MSGQUEUE is unlimited"
	}
	more := "unlimited"
	if soft <= math.MaxInt64/2 {
		more = fmt.Sprint(max(2*soft, defaultMsgqueue))
	}
	if hard < 0 || more != "unlimited" && max(2*soft, defaultMsgqueue) <= hard {
		return fmt.Sprintf("prlimit --pid $$ --msgqueue=%s:", more) // the hard limit stays
	}
	return fmt.Sprintf("sudo prlimit --pid $$ --msgqueue=%s", more)
}

// powerOf2 returns the smallest power of 2 that is at least n, for n up to
// 2^62.
func powerOf2(n int64) int64 { return 1 << bits.Len64(uint64(max(n, 1)-1)) }
