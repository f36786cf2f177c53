//go:build !linux

package sys

import "os"

// MemoryFile returns ENOSYS.
func MemoryFile([]byte) (*os.File, error) { return nil, ENOSYS }
