package procfs_test

import (
	"testing"
	"time"

	"ipcmq/internal/procfs"
	"ipcmq/internal/sys"
)

func TestTheTimeSinceBootIsReadRarelyAndAfterEverySuspension(t *testing.T) {
	const wall = 1000 * time.Hour
	for name, c := range map[string]struct {
		passed, wall, boot time.Duration // at the second look; the first is at 0, 1000 h, 1 h
		read               bool
	}{
		"soon":                            {time.Millisecond, wall + time.Millisecond, time.Hour + time.Millisecond, false},
		"later":                           {999 * time.Millisecond, wall + 999*time.Millisecond, time.Hour + 999*time.Millisecond, false},
		"slewed a little":                 {900 * time.Millisecond, wall + 900*time.Millisecond + 450*time.Microsecond, time.Hour + 900*time.Millisecond, false},
		"too old":                         {time.Second, wall + time.Second, time.Hour + time.Second + 1, true},
		"suspended for an hour":           {time.Millisecond, wall + time.Hour, 2 * time.Hour, true},
		"suspended for two milliseconds":  {time.Microsecond, wall + 2*time.Millisecond, time.Hour + 2*time.Millisecond, true},
		"set back":                        {time.Millisecond, wall - time.Hour, time.Hour + time.Millisecond, true},
		"by a goroutine that was delayed": {-time.Microsecond, wall - time.Microsecond, time.Hour - time.Microsecond, false},
	} {
		t.Run(name, func(t *testing.T) {
			reader, read := new(procfs.BootReader), 0
			reading := func(d time.Duration) func() (time.Duration, sys.Errno) {
				return func() (time.Duration, sys.Errno) { read++; return d, 0 }
			}
			for !reader.Kept() { // a reading that took long is not
				reader.At(0, wall, reading(time.Hour))
			}
			read = 0
			got, errno := reader.At(c.passed, c.wall, reading(c.boot))
			if got != c.boot || errno != 0 || (read == 1) != c.read {
				t.Errorf("%v (%v) after %d readings", got, errno, read)
			}
		})
	}
}

func TestATimeSinceBootThatCannotBeReadIsNotKept(t *testing.T) {
	reader := new(procfs.BootReader)
	_, errno := reader.At(0, 0, func() (time.Duration, sys.Errno) { return 0, sys.ENOSYS })
	if errno != sys.ENOSYS || reader.Kept() {
		t.Errorf("%v, kept %v", errno, reader.Kept())
	}
}

func BenchmarkBootTime(b *testing.B) {
	for b.Loop() {
		if _, _, err := procfs.BootTime(); err != nil {
			b.Fatal(err)
		}
	}
}
