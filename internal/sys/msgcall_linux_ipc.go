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

// viaIPC is set once the kernel has reported that it lacks the direct calls.
var viaIPC atomic.Bool

// lacking reports that a direct call is missing and must be repeated with
// ipc(2).
func lacking(errno Errno) bool {
	if errno != ENOSYS {
		return false
	}
	viaIPC.Store(true)
	return true
}

// Msgget wraps msgget(2).
func Msgget(key uint32, flags int) (id int, errno Errno) {
	r, errno := msgget(uintptr(key), uintptr(flags))
	return int(r), errno
}

// Msgsnd wraps msgsnd(2): n bytes of text follow the type in buf. It may block
// the thread.
func Msgsnd(id int, buf []byte, n, flags int) Errno {
	_ = buf[:TypeSize+n]
	return msgsnd(false, uintptr(id), unsafe.Pointer(unsafe.SliceData(buf)), uintptr(n), uintptr(flags))
}

// TryMsgsnd is Msgsnd with IPC_NOWAIT. The scheduler is not notified, which
// saves time as long as the call takes no more than a few microseconds.
func TryMsgsnd(id int, buf []byte, n, flags int) Errno {
	_ = buf[:TypeSize+n]
	return msgsnd(true, uintptr(id), unsafe.Pointer(unsafe.SliceData(buf)), uintptr(n), uintptr(flags|IPC_NOWAIT))
}

// Msgrcv wraps msgrcv(2): up to n bytes of text are stored behind the type in
// buf. It may block the thread.
func Msgrcv(id int, buf []byte, n int, typ int64, flags int) (int, Errno) {
	_ = buf[:TypeSize+n]
	r, errno := msgrcv(false, uintptr(id), unsafe.Pointer(unsafe.SliceData(buf)), uintptr(n), uintptr(typ), uintptr(flags))
	return int(r), errno
}

// TryMsgrcv is Msgrcv with IPC_NOWAIT; as for [TryMsgsnd], the scheduler is not
// told of it.
func TryMsgrcv(id int, buf []byte, n int, typ int64, flags int) (int, Errno) {
	_ = buf[:TypeSize+n]
	r, errno := msgrcv(true, uintptr(id), unsafe.Pointer(unsafe.SliceData(buf)), uintptr(n), uintptr(typ), uintptr(flags|IPC_NOWAIT))
	return int(r), errno
}

// TryMsgsndFrom is TryMsgsnd of what is at p, type and n bytes of text.
func TryMsgsndFrom(p *byte, id, n int) Errno {
	return msgsnd(true, uintptr(id), unsafe.Pointer(p), uintptr(n), IPC_NOWAIT)
}

// TryMsgrcvAt is TryMsgrcv to p, where type and n bytes of text have room, with flags
// that have IPC_NOWAIT.
func TryMsgrcvAt(p *byte, id, n int, typ uintptr, flags int) (uintptr, Errno) {
	return msgrcv(true, uintptr(id), unsafe.Pointer(p), uintptr(n), typ, uintptr(flags))
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
