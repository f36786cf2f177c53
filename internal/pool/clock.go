package pool

import (
	"sync/atomic"
	"time"

	"ipcmq/internal/procfs"
)

// now returns the time that leases count in, CLOCK_BOOTTIME in nanoseconds. To
// spare a system call each time, it is read anew after a tenth of a second only;
// in between the runtime's clock tells, which stands still while the system is
// suspended.
func now() uint64 {
	passed := time.Since(begin)
	r := reading.Load()
	if r == nil || passed-r.passed > 100*time.Millisecond {
		_, boot, _ := procfs.BootTime() // it could be read when the pool was attached
		r = &clockReading{passed, boot}
		reading.Store(r)
	}
	return uint64(max(r.boot+passed-r.passed, 1))
}

var (
	begin   = time.Now()
	reading atomic.Pointer[clockReading]
)

// A clockReading is what two clocks said at one moment.
type clockReading struct{ passed, boot time.Duration }

// A clock is read once, if it is needed.
type clock struct{ at uint64 }

func (c *clock) now() uint64 {
	if c.at == 0 {
		c.at = now()
	}
	return c.at
}
