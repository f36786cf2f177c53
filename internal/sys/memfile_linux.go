package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// MemoryFile returns a file in memory that holds data, to be read from its
// beginning. See memfd_create(2).
func MemoryFile(data []byte) (*os.File, error) {
	const name = "message"
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if err == unix.EINVAL { // before Linux 6.3
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.WriteAt(data, 0); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
