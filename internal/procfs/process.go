package procfs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"ipcmq/internal/sys"
)

// A Process identifies a process among all others of this boot, also a later one with
// the same pid. It does not depend on a clock that can be set.
type Process struct {
	PID   int
	Start uint64 // in ticks since the boot, as its time namespace counts them

	// The namespaces of these numbers; TimeSpace is 0 if the kernel has none.
	PIDSpace, TimeSpace uint64
}

// Self returns this process. It fails if proc is not there, or belongs to
// another pid namespace and so shows other processes.
func Self(proc fs.FS) (Process, error) { return self(proc, os.Getpid()) }

func self(proc fs.FS, pid int) (Process, error) {
	// NSpid has the pids of this process in the namespace of proc and in each
	// below that it is in.
	b, err := fs.ReadFile(proc, "self/status")
	if err != nil {
		return Process{}, err
	}
	_, rest, _ := bytes.Cut(b, []byte("\nNSpid:"))
	pids, _, _ := bytes.Cut(rest, []byte("\n"))
	if strings.TrimSpace(string(pids)) != strconv.Itoa(pid) {
		return Process{}, fmt.Errorf("this is process %d, and proc says NSpid:%s", pid, pids)
	}
	p := Process{PID: pid, PIDSpace: namespace(proc, "pid"), TimeSpace: namespace(proc, "time")}
	if p.PIDSpace == 0 {
		return Process{}, errors.New("the number of the pid namespace is not known")
	}
	p.Start, err = StartTicks(proc, pid)
	return p, err
}

// namespace returns the number of this process's namespace of some kind, or 0 if
// that is not known.
func namespace(proc fs.FS, kind string) uint64 {
	link, err := fs.ReadLink(proc, "self/ns/"+kind)
	if err != nil {
		return 0
	}
	kind, _, _ = strings.Cut(kind, "_") // that for children too
	digits, _ := strings.CutPrefix(link, kind+":[")
	n, err := strconv.ParseUint(strings.TrimSuffix(digits, "]"), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Ended reports whether it is certain that p no longer runs. For a process in
// another pid or time namespace, it never is. A zombie has ended.
func (p Process) Ended(proc fs.FS) bool {
	ended, _ := p.Judge(proc)
	return ended
}

// Judge reports whether the process has certainly ended, and whether that is
// known. It is not known for processes in other pid or time namespaces, without
// proc, or for those that proc hides.
func (p Process) Judge(proc fs.FS) (ended, known bool) {
	return p.judge(proc, os.Getpid(), sys.Exists)
}

func (p Process) judge(proc fs.FS, pid int, exists func(pid int) bool) (ended, known bool) {
	me, err := self(proc, pid)
	if err != nil {
		return false, false
	}
	return p.judgeFrom(me, proc, exists)
}

// JudgeFrom is Judge for a process that knows who it is, see [Self].
func (p Process) JudgeFrom(me Process, proc fs.FS) (ended, known bool) {
	return p.judgeFrom(me, proc, sys.Exists)
}

func (p Process) judgeFrom(me Process, proc fs.FS, exists func(pid int) bool) (ended, known bool) {
	if me.PID == 0 || p.PID <= 0 || p.PIDSpace != me.PIDSpace || p.TimeSpace != me.TimeSpace {
		return false, false
	}
	state, start, err := status(proc, p.PID)
	if err != nil {
		ended = !exists(p.PID) // proc may hide it
		return ended, ended
	}
	return start != p.Start || state == 'Z' || state == 'X', true
}

// StartTicks returns when the process was started, in ticks since the boot,
// which distinguishes it from another with the same pid. A zombie still has its start.
func StartTicks(proc fs.FS, pid int) (uint64, error) {
	_, start, err := status(proc, pid)
	return start, err
}

// status reads the state and the start of a process.
func status(proc fs.FS, pid int) (state byte, start uint64, err error) {
	name := strconv.Itoa(pid) + "/stat"
	b, err := fs.ReadFile(proc, name)
	if err != nil {
		return 0, 0, err
	}
	// The second field is the command in parentheses, which may hold anything.
	i := bytes.LastIndexByte(b, ')')
	fields := bytes.Fields(b[i+1:])
	if i < 0 || len(fields) < 20 {
		return 0, 0, fmt.Errorf("%s: too few fields in %q", name, b)
	}
	start, err = strconv.ParseUint(string(fields[19]), 10, 64)
	return fields[0][0], start, err
}
