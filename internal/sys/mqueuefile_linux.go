package sys

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Status is what fstat(2) reports about the file of a queue, in addition to
// fs.FileInfo.
type Status struct {
	UID, GID uint32
	Links    uint64 // 0 once the name of a queue is unlinked

	Device, Inode uint64 // which file it is
}

// FileStatus returns the status that is in info.
func FileStatus(info fs.FileInfo) Status {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return Status{}
	}
	return Status{st.Uid, st.Gid, uint64(st.Nlink), uint64(st.Dev), uint64(st.Ino)}
}

// Links returns how many names the file of a descriptor has, with fstat(2).
func Links(fd int) (uint64, Errno) {
	var st unix.Stat_t
	for {
		switch err := unix.Fstat(fd, &st); err {
		case nil:
			return uint64(st.Nlink), 0
		case syscall.EINTR:
		default:
			return 0, err.(syscall.Errno)
		}
	}
}

// FileRights returns the control message that sends f through a socket,
// SCM_RIGHTS of unix(7).
func FileRights(f *os.File) []byte { return unix.UnixRights(int(f.Fd())) }

// RightsFile returns the file that came with a control message.
func RightsFile(control []byte) (*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil || len(messages) != 1 {
		return nil, fmt.Errorf("%d control messages: %w", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, fmt.Errorf("%d descriptors: %w", len(fds), err)
	}
	return os.NewFile(uintptr(fds[0]), ""), nil
}

// MountMqueue shows the queues of the IPC namespace in the directory dir, in a
// mount namespace that is made independent of others.
func MountMqueue(dir string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	return unix.Mount("none", dir, "mqueue", 0, "")
}
