package store

import (
	"ipcmq/internal/procfs"
	"ipcmq/internal/sys"
)

// enter notes whose store it is.
func (v *view) enter() {
	self, _ := procfs.Self(procfs.Root) // zero if it is not known: then nobody can judge it
	v.head[headPID].Store(uint64(self.PID))
	v.head[headStart].Store(self.Start)
	v.head[headPIDSpace].Store(self.PIDSpace)
	v.head[headTimeSpace].Store(self.TimeSpace)
}

// forsaken reports whether the sender has given up the store, or has certainly
// ended, with all its threads: nothing is sent from it any more.
func (v *view) forsaken() bool {
	if v.head[headLeft].Load() != 0 {
		return true
	}
	pid := v.head[headPID].Load()
	owner := procfs.Process{PID: int(pid), Start: v.head[headStart].Load(),
		PIDSpace: v.head[headPIDSpace].Load(), TimeSpace: v.head[headTimeSpace].Load()}
	self, err := procfs.Self(procfs.Root)
	switch {
	case err != nil || pid == 0 || pid >= 1<<31 || owner.PIDSpace != self.PIDSpace:
		return false
	case !sys.Exists(owner.PID):
		return true
	case owner.TimeSpace != self.TimeSpace:
		return false
	}
	start, err := procfs.StartTicks(procfs.Root, owner.PID)
	if err != nil {
		return false
	}
	if start != owner.Start {
		return true
	}
	// A zombie may be the first thread of a process whose other threads
	// run.
	p, errno := sys.OpenProcess(owner.PID)
	if errno != 0 {
		return false
	}
	defer p.Close()
	return p.Ended()
}
