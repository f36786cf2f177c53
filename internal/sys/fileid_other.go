//go:build !linux

package sys

// FileID returns ENOSYS.
func FileID(string) (dev, ino uint64, err error) { return 0, 0, ENOSYS }
