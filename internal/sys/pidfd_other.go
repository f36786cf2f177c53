//go:build !linux

package sys

// A Process is one that pidfd_open(2) has found.
type Process struct{}

// OpenProcess returns ENOSYS.
func OpenProcess(int) (*Process, Errno) { return nil, ENOSYS }

// See pidfd_linux.go for these functions.

func (*Process) Ended() bool { return false }
func (*Process) Await() bool { return false }
func (*Process) Close()      {}
