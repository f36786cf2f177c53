package cli

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"ipcmq/internal/procfs"
)

// A process is one that has used a queue.
type process struct {
	PID     int    `json:"pid"`
	Command string `json:"command,omitempty"` // empty if it has ended, or cannot be seen
	Gone    bool   `json:"gone,omitempty"`    // it has ended
}

func (p process) String() string {
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

// userAt returns the process pid that used a queue at that time. A zombie has
// ended, and one that was started later has only got the number.
func userAt(pid int, at time.Time) process {
	p := process{PID: pid}
	if pid == 0 {
		return p
	}
	started, err := procfs.StartTime(procfs.Root, pid)
	if errors.Is(err, fs.ErrNotExist) || err == nil && started.After(at.Add(2*time.Second)) {
		p.Gone = true
		return p
	}
	if comm, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm"); err == nil {
		p.Command = string(bytes.TrimSpace(comm))
	}
	return p
}

// A waiter is a process that waits in the kernel for a message or for room.
type waiter struct {
	process
	Receives bool `json:"receives"` // it waits for a message, not for room
}

// waiters returns the processes of this IPC namespace that wait at a queue, by
// its address ("id:7", or "/jobs"). It sees those that the user may trace, and
// not those that wait in a poller.
func waiters() map[string][]waiter {
	found := map[string][]waiter{}
	namespace, err := os.Readlink("/proc/self/ns/ipc")
	if err != nil {
		return found
	}
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return found
	}
	for _, entry := range processes {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		dir := "/proc/" + entry.Name()
		if other, err := os.Readlink(dir + "/ns/ipc"); err != nil || other != namespace {
			continue
		}
		threads, _ := os.ReadDir(dir + "/task") // it may have ended
		for _, thread := range threads {
			address, receives := waitsAt(os.DirFS(dir+"/task/"+thread.Name()), dir)
			if address != "" {
				found[address] = append(found[address], waiter{userAt(pid, time.Now()), receives})
			}
		}
	}
	return found
}

// waitsAt returns the queue at which a thread waits, if it does.
func waitsAt(thread fs.FS, process string) (address string, receives bool) {
	b, err := fs.ReadFile(thread, "wchan")
	if err != nil {
		return "", false
	}
	function, _, _ := strings.Cut(string(b), ".") // compilers add .isra.0 and the like
	if function != "do_msgrcv" && function != "do_msgsnd" && function != "wq_sleep" {
		return "", false
	}
	b, err = fs.ReadFile(thread, "syscall")
	fields := strings.Fields(string(b)) // the number, in decimal, and the arguments
	if err != nil || len(fields) < 5 {
		return "", false
	}
	first, err := strconv.ParseUint(fields[1], 0, 64)
	if err != nil {
		return "", false
	}
	if function != "wq_sleep" {
		return "id:" + strconv.FormatUint(first, 10), function == "do_msgrcv"
	}
	name, err := os.Readlink(process + "/fd/" + strconv.FormatUint(first, 10))
	if err != nil {
		return "", false
	}
	return strings.TrimSuffix(name, " (deleted)"), false // the caller knows from the queue
}
