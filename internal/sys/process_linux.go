package sys

import "golang.org/x/sys/unix"

// Exists wraps kill(2) with signal 0: it reports whether there is such a
// process, in the caller's pid namespace.
func Exists(pid int) bool { return unix.Kill(pid, 0) != unix.ESRCH }
