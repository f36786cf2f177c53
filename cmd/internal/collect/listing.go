package collect

import (
	"slices"
	"strings"

	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

// A Listing holds the queues that could be listed, System V queues first, by key and
// id, and the reasons why there may be more.
type Listing struct {
	Queues []Queue

	SysVErr, PosixErr error // why there may be more

	Orphans     []Orphan // pools of queues that are gone
	HiddenPools int      // pools that this user may not see
	BadPools    []error  // of unusable pools
	PoolErr     error    // why there may be more pools

	Leftovers []Leftover // large payloads that nobody can receive any more
}

// Problems returns why something could not be listed.
func (l Listing) Problems() (problems []error) {
	for _, err := range []error{l.SysVErr, l.PosixErr} {
		if err != nil {
			problems = append(problems, err)
		}
	}
	if l.SysVErr == nil && l.PoolErr != nil { // otherwise the reason is the same
		problems = append(problems, l.PoolErr)
	}
	return problems
}

// List lists all queues.
func List() (l Listing) {
	seen := processes{}
	for s, err := range sysv.Queues() {
		if err != nil {
			l.SysVErr = err
			continue
		}
		l.Queues = append(l.Queues, ofSysV(s, seen))
	}
	for s, err := range posix.Queues() {
		if err != nil {
			l.PosixErr = err
			continue
		}
		l.Queues = append(l.Queues, OfPosix(s))
	}
	slices.SortStableFunc(l.Queues, func(a, b Queue) int {
		if a.Kind != b.Kind {
			return strings.Compare(b.Kind, a.Kind)
		}
		return strings.Compare(a.Address, b.Address)
	})
	l.addLeases(seen)
	l.addLarge()
	return l
}
