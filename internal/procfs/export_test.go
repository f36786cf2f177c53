package procfs

import (
	"io/fs"
	"time"

	"ipcmq/internal/sys"
)

func SelfAs(proc fs.FS, pid int) (Process, error) { return self(proc, pid) }

func (p Process) EndedAs(proc fs.FS, pid int, exists func(int) bool) bool {
	ended, _ := p.judge(proc, pid, exists)
	return ended
}

// KnownAs is the second result of Judge for the process with that pid.
func (p Process) KnownAs(proc fs.FS, pid int, exists func(int) bool) bool {
	_, known := p.judge(proc, pid, exists)
	return known
}

// StartTimeIf is StartTime with another answer to whether there is a process.
var StartTimeIf = startTime

// Offset is what the time namespace adds.
func (c BootClock) Offset() time.Duration { return c.offset }

var BootOffset = bootOffset

type BootReader = bootReader

func (b *BootReader) At(passed, wall time.Duration, read func() (time.Duration, sys.Errno)) (time.Duration, sys.Errno) {
	return b.at(passed, wall, read)
}

// Kept reports whether there is a reading.
func (b *BootReader) Kept() bool { return b.last.Load() != nil }
