package procfs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"time"

	"ipcmq/internal/sys"
)

// ticks is the unit of times in /proc, USER_HZ, a second: the same wherever Go
// runs on Linux.
const ticks = 100

// StartTime returns when a process was started, to about a second, by the
// current system clock: for people, and to compare with times that the kernel
// recorded. If the clock may have been set since, use [Process].
//
// The error matches fs.ErrNotExist if there is no such process, or if it is a
// zombie, and fs.ErrPermission if there is one that proc hides (hidepid in
// proc(5)).
func StartTime(proc fs.FS, pid int) (time.Time, error) { return startTime(proc, pid, sys.Exists) }

func startTime(proc fs.FS, pid int, exists func(pid int) bool) (time.Time, error) {
	state, start, err := status(proc, pid)
	if errors.Is(err, fs.ErrNotExist) && exists(pid) {
		err = &fs.PathError{Op: "read", Path: strconv.Itoa(pid) + "/stat", Err: fs.ErrPermission}
	}
	if err != nil {
		return time.Time{}, err
	}
	if state == 'Z' || state == 'X' {
		return time.Time{}, &fs.PathError{Op: "read", Path: strconv.Itoa(pid) + "/stat", Err: fs.ErrNotExist}
	}
	if start > math.MaxInt64/uint64(time.Second/ticks) {
		return time.Time{}, fmt.Errorf("%d/stat: the start %d is not a time", pid, start)
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
	return time.Time{}, errors.New("stat: no line btime")
}
