package sys

import (
	"os"
	"syscall"
)

// PrivateIPC returns attributes that start a process in an IPC namespace and a
// mount namespace of its own and end it with its parent. Without root's rights they make a user
// namespace too, in which the process has them. System limits (kernel.msgmax
// and the others) begin with their defaults there and are the namespace's own.
func PrivateIPC() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWIPC | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if uid := os.Geteuid(); uid != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{HostID: uid, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	return attr
}

// PrivatePID returns attributes that start a process as the first of a pid
// namespace of its own, and end it with its parent.
func PrivatePID() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
}
