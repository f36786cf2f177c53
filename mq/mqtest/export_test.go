package mqtest

import "time"

// SetPatience makes TestQueue give up sooner on calls that do not return.
func SetPatience(d time.Duration) { patience = d }
