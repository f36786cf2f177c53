//go:build !linux

package sys

import (
	"errors"
	"strconv"
)

// Errno stands in for Linux's error numbers where there are none.
type Errno uintptr

// The error numbers that the backends distinguish, as on Linux.
const (
	EPERM     Errno = 1
	ENOENT    Errno = 2
	ESRCH     Errno = 3
	EINTR     Errno = 4
	E2BIG     Errno = 7
	EAGAIN    Errno = 11
	ENOMEM    Errno = 12
	EACCES    Errno = 13
	EEXIST    Errno = 17
	EINVAL    Errno = 22
	ENOSPC    Errno = 28
	ENOSYS    Errno = 38
	ENOMSG    Errno = 42
	EIDRM     Errno = 43
	EBADF     Errno = 9
	ENFILE    Errno = 23
	EMFILE    Errno = 24
	ETIMEDOUT Errno = 110
)

func (e Errno) Error() string {
	if e == ENOSYS {
		return "message queues are supported on Linux only"
	}
	return "errno " + strconv.Itoa(int(e))
}

// Is makes ENOSYS match errors.ErrUnsupported.
func (e Errno) Is(target error) bool {
	return e == ENOSYS && target == errors.ErrUnsupported
}
