//go:build linux && !(386 || mips || mipsle || ppc64 || ppc64le || s390x)

package sys

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

func msgget(key, flags uintptr) (uintptr, Errno) {
	r, _, errno := syscall.RawSyscall(unix.SYS_MSGGET, key, flags, 0)
	return r, errno
}

func msgsnd(raw bool, id uintptr, buf unsafe.Pointer, n, flags uintptr) (errno Errno) {
	if raw {
		_, _, errno = syscall.RawSyscall6(unix.SYS_MSGSND, id, uintptr(buf), n, flags, 0, 0)
	} else {
		_, _, errno = syscall.Syscall6(unix.SYS_MSGSND, id, uintptr(buf), n, flags, 0, 0)
	}
	return errno
}

func msgrcv(raw bool, id uintptr, buf unsafe.Pointer, n, typ, flags uintptr) (r uintptr, errno Errno) {
	if raw {
		r, _, errno = syscall.RawSyscall6(unix.SYS_MSGRCV, id, uintptr(buf), n, typ, flags, 0)
	} else {
		r, _, errno = syscall.Syscall6(unix.SYS_MSGRCV, id, uintptr(buf), n, typ, flags, 0)
	}
	return r, errno
}

func msgctl(id, cmd uintptr, buf unsafe.Pointer) (uintptr, Errno) {
	switch runtime.GOARCH {
	case "arm", "mips64", "mips64le":
		cmd |= 0x100 // IPC_64 of <linux/ipc.h>: these still have the call of old
	}
	r, _, errno := syscall.Syscall(unix.SYS_MSGCTL, id, cmd, uintptr(buf))
	return r, errno
}
