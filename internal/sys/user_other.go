//go:build !linux

package sys

// Become answers ENOSYS.
func Become(int, ...int) error { return ENOSYS }
