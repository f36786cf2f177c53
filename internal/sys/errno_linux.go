package sys

import "syscall"

// Errno is an error number; 0 means success.
type Errno = syscall.Errno

// The error numbers that the backends distinguish.
const (
	EPERM     = syscall.EPERM
	ENOENT    = syscall.ENOENT
	ESRCH     = syscall.ESRCH
	EINTR     = syscall.EINTR
	E2BIG     = syscall.E2BIG
	EAGAIN    = syscall.EAGAIN
	ENOMEM    = syscall.ENOMEM
	EACCES    = syscall.EACCES
	EEXIST    = syscall.EEXIST
	EINVAL    = syscall.EINVAL
	ENOSPC    = syscall.ENOSPC
	ENOSYS    = syscall.ENOSYS
	ENOMSG    = syscall.ENOMSG
	EIDRM     = syscall.EIDRM
	EBADF     = syscall.EBADF
	ENFILE    = syscall.ENFILE
	EMFILE    = syscall.EMFILE
	ETIMEDOUT = syscall.ETIMEDOUT
)
