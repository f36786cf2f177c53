//go:build !linux

package sys

import "io/fs"

// Status is what fstat(2) tells of the file behind a queue, besides fs.FileInfo.
type Status struct {
	UID, GID uint32
	Links    uint64

	Device, Inode uint64
}

// FileStatus returns zeros.
func FileStatus(fs.FileInfo) Status { return Status{} }

// MountMqueue answers ENOSYS.
func MountMqueue(string) error { return ENOSYS }
