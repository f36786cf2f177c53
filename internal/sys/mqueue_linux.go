package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Flags of mq_open(2), from <asm/fcntl.h>.
const (
	MQ_RDONLY   = unix.O_RDONLY
	MQ_WRONLY   = unix.O_WRONLY
	MQ_RDWR     = unix.O_RDWR
	MQ_CREAT    = unix.O_CREAT
	MQ_EXCL     = unix.O_EXCL
	MQ_NONBLOCK = unix.O_NONBLOCK
	MQ_ACCMODE  = unix.O_ACCMODE
)

// mqAttr is struct mq_attr of <linux/mqueue.h>, which is passed to the kernel
// as it is.
type mqAttr struct {
	flags, maxmsg, msgsize, curmsgs int // each a C long
	_                               [4]int
}

const (
	_ = uint(unsafe.Sizeof(mqAttr{}) - 8*longSize)
	_ = uint(8*longSize - unsafe.Sizeof(mqAttr{}))
	_ = uint(unsafe.Sizeof(Deadline{}) - 16)
	_ = uint(16 - unsafe.Sizeof(Deadline{}))
)

// mqName returns the name, which begins with a slash, as the kernel wants it:
// without the slash and with a NUL behind it.
func mqName(name string) unsafe.Pointer {
	b := make([]byte, len(name)+1)
	copy(b, name)
	return unsafe.Pointer(&b[1]) // the slash stays before it: some emulators read it
}

// MqOpen wraps mq_open(2). The descriptor is closed on exec. With a nil attr the
// kernel chooses.
func MqOpen(name string, flags int, mode uint32, attr *MqAttr) (fd int, errno Errno) {
	var a *mqAttr
	if attr != nil {
		a = &mqAttr{maxmsg: int(attr.MaxMessages), msgsize: int(attr.MaxMessageSize)}
	}
	r, _, errno := syscall.Syscall6(unix.SYS_MQ_OPEN, uintptr(mqName(name)), uintptr(flags|unix.O_CLOEXEC), uintptr(mode),
		uintptr(unsafe.Pointer(a)), 0, 0)
	return int(r), errno
}

// MqUnlink wraps mq_unlink(2).
func MqUnlink(name string) Errno {
	_, _, errno := syscall.Syscall(unix.SYS_MQ_UNLINK, uintptr(mqName(name)), 0, 0)
	return errno
}

// MqGetAttr wraps mq_getattr(3), which is mq_getsetattr(2).
func MqGetAttr(fd int) (MqAttr, Errno) {
	var a mqAttr
	_, _, errno := syscall.Syscall(unix.SYS_MQ_GETSETATTR, uintptr(fd), 0, uintptr(unsafe.Pointer(&a)))
	return MqAttr{int64(a.maxmsg), int64(a.msgsize), int64(a.curmsgs)}, errno
}

// MqSetNonblock sets O_NONBLOCK with mq_setattr(3), which is mq_getsetattr(2).
func MqSetNonblock(fd int) Errno {
	a := mqAttr{flags: unix.O_NONBLOCK}
	_, _, errno := syscall.Syscall(unix.SYS_MQ_GETSETATTR, uintptr(fd), uintptr(unsafe.Pointer(&a)), 0)
	return errno
}

// IsMqueue reports whether a descriptor is that of a file in the file system of
// POSIX queues, with fstatfs(2): such a file is a queue or their directory.
func IsMqueue(fd int) (bool, Errno) {
	var s unix.Statfs_t
	for {
		switch err := unix.Fstatfs(fd, &s); err {
		case nil:
			return uint32(s.Type) == 0x19800202, 0 // MQUEUE_MAGIC of ipc/mqueue.c
		case syscall.EINTR:
		default:
			return false, err.(syscall.Errno)
		}
	}
}

// FileFlags wraps fcntl(2), F_GETFL. The access mode is among the flags, see
// MQ_ACCMODE.
func FileFlags(fd int) (int, Errno) {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return 0, err.(syscall.Errno)
	}
	return flags, 0
}

// Duplicate wraps fcntl(2), F_DUPFD_CLOEXEC.
func Duplicate(fd int) (int, Errno) {
	r, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return 0, err.(syscall.Errno)
	}
	return r, 0
}

// MqSend wraps mq_timedsend(2). It may block the thread, until d if that is not
// nil.
func MqSend(fd int, data []byte, priority uint32, d *Deadline) Errno {
	_, _, errno := syscall.Syscall6(mqTimedsend(d), uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(data))),
		uintptr(len(data)), uintptr(priority), uintptr(unsafe.Pointer(d)), 0)
	return errno
}

// TryMqSend is MqSend on a descriptor with O_NONBLOCK, or until a time in the
// past; either way it returns EAGAIN instead of waiting. The scheduler is not
// notified, which saves time as long as the call takes no more than a few
// microseconds.
func TryMqSend(fd int, data []byte, priority uint32, d *Deadline) Errno {
	_, _, errno := syscall.RawSyscall6(mqTimedsend(d), uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(data))),
		uintptr(len(data)), uintptr(priority), uintptr(unsafe.Pointer(d)), 0)
	return refused(errno)
}

// MqReceive wraps mq_timedreceive(2): buf must have room for the largest message
// of the queue. It may block the thread, until d if that is not nil.
func MqReceive(fd int, buf []byte, d *Deadline) (n int, priority uint32, errno Errno) {
	r, _, errno := syscall.Syscall6(mqTimedreceive(d), uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(buf))),
		uintptr(len(buf)), uintptr(unsafe.Pointer(&priority)), uintptr(unsafe.Pointer(d)), 0)
	return int(r), priority, errno
}

// TryMqReceive is MqReceive like [TryMqSend] is MqSend.
func TryMqReceive(fd int, buf []byte, d *Deadline) (n int, priority uint32, errno Errno) {
	r, _, errno := syscall.RawSyscall6(mqTimedreceive(d), uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(buf))),
		uintptr(len(buf)), uintptr(unsafe.Pointer(&priority)), uintptr(unsafe.Pointer(d)), 0)
	return int(r), priority, refused(errno)
}

func refused(errno Errno) Errno {
	if errno == ETIMEDOUT {
		return EAGAIN
	}
	return errno
}

// MqCanSleep returns ENOSYS if calls with a [Deadline] are missing, as before
// Linux 5.1 on 32-bit systems.
func MqCanSleep() Errno {
	var d Deadline
	_, _, errno := TryMqReceive(-1, nil, &d)
	if errno == EBADF {
		return 0
	}
	return errno
}

// MqLimit wraps getrlimit(2), RLIMIT_MSGQUEUE: the bytes that all POSIX queues
// of the user may take.
func MqLimit() (soft, hard uint64, errno Errno) {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MSGQUEUE, &r); err != nil {
		return 0, 0, err.(syscall.Errno)
	}
	return r.Cur, r.Max, 0
}
