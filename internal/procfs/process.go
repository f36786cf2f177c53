package procfs

import (
	"bytes"
	"fmt"
	"io/fs"
	"strconv"
	"time"
)

// ticks is the unit of times in /proc, USER_HZ, a second: the same wherever Go
// runs on Linux.
const ticks = 100

// ProcessStart returns the time when the process was started, to a second or
// so. The error matches fs.ErrNotExist if there is no such process or it is a
// zombie.
func ProcessStart(proc fs.FS, pid int) (time.Time, error) {
	name := strconv.Itoa(pid) + "/stat"
	b, err := fs.ReadFile(proc, name)
	if err != nil {
		return time.Time{}, err
	}
	// The second field is the command in parentheses, which may hold anything.
	i := bytes.LastIndexByte(b, ')')
	fields := bytes.Fields(b[i+1:])
	if i < 0 || len(fields) < 20 {
		return time.Time{}, fmt.Errorf("%s: too few fields in %q", name, b)
	}
	if state := fields[0][0]; state == 'Z' || state == 'X' {
		return time.Time{}, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
	}
	start, err := strconv.ParseInt(string(fields[19]), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: start time: %w", name, err)
	}
	boot, err := bootTime(proc)
	if err != nil {
		return time.Time{}, err
	}
	return boot.Add(time.Duration(start) * (time.Second / ticks)), nil
}

// bootTime returns the line btime of /proc/stat.
func bootTime(proc fs.FS) (time.Time, error) {
	b, err := fs.ReadFile(proc, "stat")
	if err != nil {
		return time.Time{}, err
	}
	for line := range bytes.Lines(b) {
		if value, ok := bytes.CutPrefix(line, []byte("btime ")); ok {
			s, err := strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
			return time.Unix(s, 0), err
		}
	}
	return time.Time{}, fmt.Errorf("stat: no line btime")
}
