//go:build !linux

package sys

import (
	"io/fs"
	"os"
)

// Status is what fstat(2) reports about the file of a queue, in addition to
// fs.FileInfo.
type Status struct {
	UID, GID uint32
	Links    uint64

	Device, Inode uint64
}

// FileStatus returns zeros.
func FileStatus(fs.FileInfo) Status { return Status{} }

// See mqueuefile_linux.go for these functions.

func Links(int) (uint64, Errno)           { return 0, ENOSYS }
func FileRights(*os.File) []byte          { return nil }
func RightsFile([]byte) (*os.File, error) { return nil, ENOSYS }

// MountMqueue returns ENOSYS.
func MountMqueue(string) error { return ENOSYS }
