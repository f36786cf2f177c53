package sys

import (
	"math"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

const (
	futexWait = 0 // FUTEX_WAIT and FUTEX_WAKE of <linux/futex.h>, between processes
	futexWake = 1
)

// FutexWait wraps futex(2), FUTEX_WAIT: it blocks the thread while *w is value,
// for no longer than the timeout if that is not negative, until it is woken or
// a signal comes. It returns 0, EAGAIN, EINTR or ETIMEDOUT.
func FutexWait(w *atomic.Uint32, value uint32, timeout time.Duration) Errno {
	// Without any timeout the kernel would go on after a signal (SA_RESTART).
	if timeout < 0 {
		timeout = math.MaxInt64
	}
	t := &timespec{int64(timeout / time.Second), int64(timeout % time.Second)}
	_, _, errno := syscall.Syscall6(sysFutex, uintptr(unsafe.Pointer(w)), futexWait, uintptr(value), uintptr(unsafe.Pointer(t)), 0, 0)
	return errno
}

// FutexWakeAll wraps futex(2), FUTEX_WAKE.
func FutexWakeAll(w *atomic.Uint32) {
	_, _, _ = syscall.Syscall6(sysFutex, uintptr(unsafe.Pointer(w)), futexWake, 1<<31-1, 0, 0, 0)
}

// timespec is struct __kernel_timespec of <linux/time_types.h>.
type timespec struct{ sec, nsec int64 }
