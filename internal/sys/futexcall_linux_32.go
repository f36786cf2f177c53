//go:build linux && (386 || arm || mips || mipsle)

package sys

import "golang.org/x/sys/unix"

const sysFutex = unix.SYS_FUTEX_TIME64 // since Linux 5.1
