package procfs

import (
	"sync/atomic"
	"time"

	"ipcmq/internal/sys"
)

const (
	// maxAge is how long a reading of CLOCK_BOOTTIME is valid. The kernel may
	// slew one clock against the other by half a millisecond a second.
	maxAge = time.Second

	// maxJump is how far the wall clock may move against the monotonic one
	// meanwhile. It jumps when the system was suspended, or it was set.
	maxJump = time.Millisecond

	// maxRead is how long a reading may take that is kept.
	maxRead = 100 * time.Microsecond
)

// sinceBoot is CLOCK_BOOTTIME without a system call each time, which takes more
// than a microsecond on some machines: golang.org/x/sys/unix does not use the vDSO.
// Between two readings the monotonic clock shows how much time has passed. It
// stands still while the system is suspended, but the wall clock does not.
var sinceBoot = bootReader{begin: time.Now()}

type bootReader struct {
	begin time.Time
	last  atomic.Pointer[bootReading]
}

// A bootReading is the state of the clocks at one moment.
type bootReading struct {
	passed time.Duration // since begin, by the monotonic clock
	wall   time.Duration // how far the wall clock is ahead of that
	boot   time.Duration
}

func (b *bootReader) now() (time.Duration, sys.Errno) {
	now := time.Now()
	return b.at(now.Sub(b.begin), time.Duration(now.UnixNano()), sys.BootTime)
}

// at is now at the time that these clocks show.
func (b *bootReader) at(passed, wall time.Duration, read func() (time.Duration, sys.Errno)) (time.Duration, sys.Errno) {
	wall -= passed
	if r := b.last.Load(); r != nil && passed-r.passed < maxAge && (wall-r.wall).Abs() < maxJump {
		return r.boot + passed - r.passed, 0
	}
	before := time.Now()
	boot, errno := read()
	if errno == 0 && time.Since(before) < maxRead { // not interrupted in between
		b.last.Store(&bootReading{passed, wall, boot})
	}
	return boot, errno
}
