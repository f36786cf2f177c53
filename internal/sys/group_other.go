//go:build !linux

package sys

import "syscall"

// OwnGroup returns nil: there are no queues to serve.
func OwnGroup() *syscall.SysProcAttr { return nil }

// KillGroup returns ENOSYS.
func KillGroup(int) error { return ENOSYS }
