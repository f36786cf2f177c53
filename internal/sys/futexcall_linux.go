//go:build linux && !(386 || arm || mips || mipsle)

package sys

import "golang.org/x/sys/unix"

const sysFutex = unix.SYS_FUTEX
