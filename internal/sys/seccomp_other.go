//go:build !linux

package sys

// ForbidQueues is for tests on Linux.
func ForbidQueues(Errno) error { return ENOSYS }
