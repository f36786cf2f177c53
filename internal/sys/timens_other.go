//go:build !linux

package sys

import "time"

// UnshareTime returns ENOSYS.
func UnshareTime(time.Duration) error { return ENOSYS }
