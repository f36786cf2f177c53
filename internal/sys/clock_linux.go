package sys

import (
	"time"

	"golang.org/x/sys/unix"
)

// BootTime wraps clock_gettime(2) with CLOCK_BOOTTIME: the time since the boot,
// that of suspension included, as this process's time namespace shows it.
func BootTime() (time.Duration, Errno) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0, err.(Errno)
	}
	return time.Duration(t.Nano()), 0
}
