//go:build !linux

package sys

// See process_linux.go for this function.

func Exists(int) bool { return true }
