package mqtest

import (
	"slices"
	"time"
)

// SetPatience makes TestQueue give up sooner on calls that do not return.
func SetPatience(d time.Duration) { patience = d }

// RunOnly makes TestQueue run the subtests with these names only.
func RunOnly(names ...string) {
	promises = slices.DeleteFunc(promises, func(p promise) bool { return !slices.Contains(names, p.name) })
}
