//go:build !linux

package sys

import "os"

// MemoryFile answers ENOSYS.
func MemoryFile([]byte) (*os.File, error) { return nil, ENOSYS }
