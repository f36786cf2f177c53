package procfs

import "io/fs"

func SelfAs(proc fs.FS, pid int) (Process, error) { return self(proc, pid) }

func (p Process) EndedAs(proc fs.FS, pid int, exists func(int) bool) bool {
	return p.ended(proc, pid, exists)
}

// StartTimeIf is StartTime with another answer to whether there is a process.
var StartTimeIf = startTime
