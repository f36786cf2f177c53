//go:build !linux

package sys

import "time"

// UnshareTime answers ENOSYS.
func UnshareTime(time.Duration) error { return ENOSYS }
