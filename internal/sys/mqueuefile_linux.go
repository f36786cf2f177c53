package sys

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// Status is what fstat(2) tells of the file behind a queue, besides fs.FileInfo.
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

// MountMqueue shows the queues of the IPC namespace in the directory dir, in a
// mount namespace that is made independent of others.
func MountMqueue(dir string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	return unix.Mount("none", dir, "mqueue", 0, "")
}
