package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// AwaitHangup returns when nobody can read any more what is written to f, a pipe,
// a socket or a terminal. It holds a thread, and for a file never returns.
func AwaitHangup(f *os.File) {
	conn, err := f.SyscallConn()
	if err != nil {
		select {}
	}
	fds := []unix.PollFd{{}}
	if err := conn.Control(func(fd uintptr) { fds[0].Fd = int32(fd) }); err != nil {
		select {}
	}
	for {
		_, err := unix.Poll(fds, -1)
		switch {
		case err == nil && fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0:
			return
		case err != unix.EINTR:
			select {} // it cannot be known
		}
	}
}
