package posix

import (
	"context"

	"ipcmq/internal/procfs"
	"ipcmq/mq"
)

var _ mq.Clocked = (*Queue)(nil)

// Clock reads CLOCK_BOOTTIME, the time since the boot, which nobody can set. Its
// ID is that of the boot. The offset of this process's time namespace is
// subtracted; the error matches [errors.ErrUnsupported] if it is not known, or
// /proc is not mounted.
func (q *Queue) Clock(context.Context) (mq.ClockTime, error) {
	return q.handle.Clock(procfs.BootTime())
}
