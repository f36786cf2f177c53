package sys

import "syscall"

// OwnGroup has a command begin a process group, which no signal of the terminal
// reaches. The command, and not its children, is killed when the thread that has
// started it ends: lock that.
func OwnGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// KillGroup kills all processes of the group that pid has begun.
func KillGroup(pid int) error { return syscall.Kill(-pid, syscall.SIGKILL) }
