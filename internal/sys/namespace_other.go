//go:build !linux

package sys

import "syscall"

// PrivateIPC returns nil: there are no namespaces.
func PrivateIPC() *syscall.SysProcAttr { return nil }

// PrivatePID returns nil.
func PrivatePID() *syscall.SysProcAttr { return nil }
