package posix

import (
	"context"
	"errors"
	"fmt"

	"ipcmq/internal/procfs"
	"ipcmq/mq"
)

var _ mq.Clocked = (*Queue)(nil)

// Clock reads CLOCK_BOOTTIME, the time since the boot, which nobody can set. Its
// ID is that of the boot. What the time namespace of this process adds to it is
// taken off; the error matches [errors.ErrUnsupported] if that is not known, or
// /proc is not there.
func (q *Queue) Clock(context.Context) (mq.ClockTime, error) {
	id, now, err := procfs.BootTime()
	if err != nil {
		return mq.ClockTime{}, &mq.Error{Op: "clock", Queue: q.handle.Name, Kind: errors.ErrUnsupported,
			Detail: fmt.Sprintf("the time since the boot is not known: %v", err)}
	}
	return mq.ClockTime{ID: id, Time: now}, nil
}
