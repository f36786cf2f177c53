package collect

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"time"

	"ipcmq/internal/procfs"
)

// A Process has used a queue.
type Process struct {
	PID     int    `json:"pid"`
	Command string `json:"command,omitempty"` // empty if it has ended, or cannot be seen
	Gone    bool   `json:"gone,omitempty"`    // it has ended
}

func (p Process) String() string {
	switch {
	case p.PID == 0:
		return "-"
	case p.Gone:
		return strconv.Itoa(p.PID) + " (gone)"
	case p.Command == "":
		return strconv.Itoa(p.PID)
	}
	return strconv.Itoa(p.PID) + " " + p.Command
}

// UserAt returns the process with the pid that used a queue at that time. A zombie
// counts as ended; a process that was started later only has the same pid.
func UserAt(pid int, at time.Time) Process { return processes{}.userAt(pid, at) }

// processes caches the processes looked up for one listing, so that each is looked up
// only once, however many queues it uses.
type processes map[int]started

// started is the process that now has the pid.
type started struct {
	at      time.Time
	command string
	err     error // why the start time is unknown
}

func (seen processes) userAt(pid int, at time.Time) Process {
	p := Process{PID: pid}
	if pid == 0 {
		return p
	}
	s := seen.of(pid)
	if errors.Is(s.err, fs.ErrNotExist) || s.err == nil && s.at.After(at.Add(2*time.Second)) {
		p.Gone = true
		return p
	}
	p.Command = s.command
	return p
}

// of returns the process that now has the pid.
func (seen processes) of(pid int) started {
	s, ok := seen[pid]
	if !ok {
		s.at, s.err = procfs.StartTime(procfs.Root, pid)
		if comm, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm"); err == nil {
			s.command = string(bytes.TrimSpace(comm))
		}
		seen[pid] = s
	}
	return s
}
