package sys

import "syscall"

// OwnGroup has a command begin a process group, which no signal of the terminal
// reaches.
func OwnGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// KillGroup kills all processes of the group that pid has begun.
func KillGroup(pid int) error { return syscall.Kill(-pid, syscall.SIGKILL) }
