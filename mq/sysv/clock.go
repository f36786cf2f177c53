package sysv

import (
	"context"

	"ipcmq/internal/procfs"
	"ipcmq/mq"
)

var _ mq.Clocked = (*Queue)(nil)

// Clock reads CLOCK_BOOTTIME, the time since the boot, which nobody can set. Its
// ID is that of the boot. What the time namespace of this process adds to it is
// taken off; the error matches [errors.ErrUnsupported] if that is not known, or
// /proc is not there.
func (q *Queue) Clock(context.Context) (mq.ClockTime, error) {
	return q.handle.Clock(procfs.BootTime())
}
