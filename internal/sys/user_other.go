//go:build !linux

package sys

// Become returns ENOSYS.
func Become(int, ...int) error { return ENOSYS }
