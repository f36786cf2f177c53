//go:build !linux

package sys

import (
	"sync/atomic"
	"time"
)

// See futex_linux.go for these functions.

func FutexWait(*atomic.Uint32, uint32, time.Duration) Errno { return ENOSYS }
func FutexWakeAll(*atomic.Uint32)                           {}
