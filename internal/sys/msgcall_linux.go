//go:build linux && !(386 || mips || mipsle || ppc64 || ppc64le || s390x)

package sys

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls are made right here, and not by a function that both kinds share:
// another call level costs as much as a tenth of the way into the kernel.

// Msgget wraps msgget(2).
func Msgget(key uint32, flags int) (id int, errno Errno) {
	r, _, errno := syscall.RawSyscall(unix.SYS_MSGGET, uintptr(key), uintptr(flags), 0)
	return int(r), errno
}

// Msgsnd wraps msgsnd(2): n bytes of text follow the type in buf. It may block
// the thread.
func Msgsnd(id int, buf []byte, n, flags int) Errno {
	_ = buf[:TypeSize+n]
	_, _, errno := syscall.Syscall6(unix.SYS_MSGSND, uintptr(id), uintptr(unsafe.Pointer(unsafe.SliceData(buf))),
		uintptr(n), uintptr(flags), 0, 0)
	return errno
}

// TryMsgsnd is Msgsnd with IPC_NOWAIT. The scheduler is not notified, which
// saves time as long as the call takes no more than a few microseconds.
func TryMsgsnd(id int, buf []byte, n, flags int) Errno {
	_ = buf[:TypeSize+n]
	_, _, errno := syscall.RawSyscall6(unix.SYS_MSGSND, uintptr(id), uintptr(unsafe.Pointer(unsafe.SliceData(buf))),
		uintptr(n), uintptr(flags|IPC_NOWAIT), 0, 0)
	return errno
}

// TryMsgsndFrom is TryMsgsnd of what is at p, type and n bytes of text; small enough
// to be compiled into its caller. After a system call the processor may predict no
// return, so that each costs some nanoseconds.
func TryMsgsndFrom(p *byte, id, n int) Errno {
	_, _, errno := syscall.RawSyscall6(unix.SYS_MSGSND, uintptr(id), uintptr(unsafe.Pointer(p)), uintptr(n), IPC_NOWAIT, 0, 0)
	return errno
}

// Msgrcv wraps msgrcv(2): up to n bytes of text are stored behind the type in
// buf. It may block the thread.
func Msgrcv(id int, buf []byte, n int, typ int64, flags int) (int, Errno) {
	_ = buf[:TypeSize+n]
	r, _, errno := syscall.Syscall6(unix.SYS_MSGRCV, uintptr(id), uintptr(unsafe.Pointer(unsafe.SliceData(buf))),
		uintptr(n), uintptr(typ), uintptr(flags), 0)
	return int(r), errno
}

// TryMsgrcv is Msgrcv with IPC_NOWAIT; as for [TryMsgsnd], the scheduler is not
// told of it.
func TryMsgrcv(id int, buf []byte, n int, typ int64, flags int) (int, Errno) {
	_ = buf[:TypeSize+n]
	r, _, errno := syscall.RawSyscall6(unix.SYS_MSGRCV, uintptr(id), uintptr(unsafe.Pointer(unsafe.SliceData(buf))),
		uintptr(n), uintptr(typ), uintptr(flags|IPC_NOWAIT), 0)
	return int(r), errno
}

// TryMsgrcvAt is TryMsgrcv to p, where type and n bytes of text have room, with flags
// that have IPC_NOWAIT; small as [TryMsgsndFrom].
func TryMsgrcvAt(p *byte, id, n int, typ uintptr, flags int) (uintptr, Errno) {
	r, _, errno := syscall.RawSyscall6(unix.SYS_MSGRCV, uintptr(id), uintptr(unsafe.Pointer(p)), uintptr(n), typ, uintptr(flags), 0)
	return r, errno
}

func msgctl(id, cmd uintptr, buf unsafe.Pointer) (uintptr, Errno) {
	raw := cmd == ipcStat // which takes no lock that others sleep with
	switch runtime.GOARCH {
	case "arm", "mips64", "mips64le":
		cmd |= 0x100 // IPC_64 of <linux/ipc.h>: these still have the call of old
	}
	if raw {
		r, _, errno := syscall.RawSyscall(unix.SYS_MSGCTL, id, cmd, uintptr(buf))
		return r, errno
	}
	r, _, errno := syscall.Syscall(unix.SYS_MSGCTL, id, cmd, uintptr(buf))
	return r, errno
}
