package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// A Process is one that pidfd_open(2) has found.
type Process struct{ file *os.File }

// OpenProcess wraps pidfd_open(2), with PIDFD_NONBLOCK. It returns ESRCH if there
// is no such process, and other errors where that is not permitted or the kernel
// is older than Linux 5.10.
func OpenProcess(pid int) (*Process, Errno) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, errnoOf(err)
	}
	return &Process{os.NewFile(uintptr(fd), "pidfd")}, 0
}

// Ended reports whether all threads of the process have ended, also if it was
// not waited for.
func (p *Process) Ended() (ended bool) {
	conn, err := p.file.SyscallConn()
	if err != nil {
		return false
	}
	_ = conn.Control(func(fd uintptr) { ended = readable(fd) })
	return ended
}

// Await returns when the process has ended, or after Close. It holds no thread.
func (p *Process) Await() (ended bool) {
	conn, err := p.file.SyscallConn()
	if err != nil {
		return false
	}
	_ = conn.Read(func(fd uintptr) bool {
		ended = readable(fd)
		return ended
	})
	return ended
}

// Close gives up the descriptor, and ends Await.
func (p *Process) Close() { p.file.Close() }

func readable(fd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n == 1 && fds[0].Revents&unix.POLLIN != 0
}
