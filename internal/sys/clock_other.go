//go:build !linux

package sys

import "time"

// See clock_linux.go for this function.

func BootTime() (time.Duration, Errno) { return 0, ENOSYS }
