package mqtest

import (
	"slices"
	"time"
)

// SetCallTimeout makes TestQueue give up sooner on calls that do not return.
func SetCallTimeout(d time.Duration) { callTimeout = d }

// RunOnly makes TestQueue run the subtests with these names only.
func RunOnly(names ...string) {
	promises = slices.DeleteFunc(promises, func(p promise) bool { return !slices.Contains(names, p.name) })
}
