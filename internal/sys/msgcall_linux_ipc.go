//go:build linux && (386 || mips || mipsle || ppc64 || ppc64le || s390x)

package sys

import (
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Linux 5.1 gave these architectures system calls of their own for message
// queues. Before, there was only ipc(2), which takes the call as a number.
const (
	ipcMsgsnd = 11
	ipcMsgrcv = 12
	ipcMsgget = 13
	ipcMsgctl = 14

	ipc64 = 0x100 // IPC_64 of <linux/ipc.h>: msgctl through ipc(2) wants it
)

// viaIPC is set once the kernel has answered that it lacks the direct calls.
var viaIPC atomic.Bool

// lacking reports that a direct call is missing and is to be made again with
// ipc(2).
func lacking(errno Errno) bool {
	if errno != ENOSYS {
		return false
	}
	viaIPC.Store(true)
	return true
}

func msgget(key, flags uintptr) (uintptr, Errno) {
	if !viaIPC.Load() {
		r, _, errno := syscall.RawSyscall(unix.SYS_MSGGET, key, flags, 0)
		if !lacking(errno) {
			return r, errno
		}
	}
	r, _, errno := syscall.RawSyscall6(unix.SYS_IPC, ipcMsgget, key, flags, 0, 0, 0)
	return r, errno
}

func msgsnd(raw bool, id uintptr, buf unsafe.Pointer, n, flags uintptr) (errno Errno) {
	if !viaIPC.Load() {
		if raw {
			_, _, errno = syscall.RawSyscall6(unix.SYS_MSGSND, id, uintptr(buf), n, flags, 0, 0)
		} else {
			_, _, errno = syscall.Syscall6(unix.SYS_MSGSND, id, uintptr(buf), n, flags, 0, 0)
		}
		if !lacking(errno) {
			return errno
		}
	}
	if raw {
		_, _, errno = syscall.RawSyscall6(unix.SYS_IPC, ipcMsgsnd, id, n, flags, uintptr(buf), 0)
	} else {
		_, _, errno = syscall.Syscall6(unix.SYS_IPC, ipcMsgsnd, id, n, flags, uintptr(buf), 0)
	}
	return errno
}

// kludge is struct ipc_kludge of <linux/ipc.h>: six arguments did not fit.
type kludge struct {
	buf unsafe.Pointer
	typ uintptr
}

func msgrcv(raw bool, id uintptr, buf unsafe.Pointer, n, typ, flags uintptr) (r uintptr, errno Errno) {
	if !viaIPC.Load() {
		if raw {
			r, _, errno = syscall.RawSyscall6(unix.SYS_MSGRCV, id, uintptr(buf), n, typ, flags, 0)
		} else {
			r, _, errno = syscall.Syscall6(unix.SYS_MSGRCV, id, uintptr(buf), n, typ, flags, 0)
		}
		if !lacking(errno) {
			return r, errno
		}
	}
	k := &kludge{buf, typ}
	if raw {
		r, _, errno = syscall.RawSyscall6(unix.SYS_IPC, ipcMsgrcv, id, n, flags, uintptr(unsafe.Pointer(k)), 0)
	} else {
		r, _, errno = syscall.Syscall6(unix.SYS_IPC, ipcMsgrcv, id, n, flags, uintptr(unsafe.Pointer(k)), 0)
	}
	runtime.KeepAlive(k)
	return r, errno
}

func msgctl(id, cmd uintptr, buf unsafe.Pointer) (uintptr, Errno) {
	if !viaIPC.Load() {
		r, _, errno := syscall.Syscall(unix.SYS_MSGCTL, id, cmd, uintptr(buf))
		if !lacking(errno) {
			return r, errno
		}
	}
	r, _, errno := syscall.Syscall6(unix.SYS_IPC, ipcMsgctl, id, cmd|ipc64, 0, uintptr(buf), 0)
	return r, errno
}
