package pool

import "ipcmq/internal/procfs"

// now returns the time that leases count in, CLOCK_BOOTTIME in nanoseconds.
func now() uint64 {
	_, boot, _ := procfs.BootTime() // it could be read when the pool was attached
	return uint64(max(boot, 1))
}

// A clock is read once, if it is needed.
type clock struct{ at uint64 }

func (c *clock) now() uint64 {
	if c.at == 0 {
		c.at = now()
	}
	return c.at
}
