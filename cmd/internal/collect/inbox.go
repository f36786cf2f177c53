package collect

import (
	"ipcmq/internal/address"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

// Inboxes are the inboxes whose process has certainly ended, and those for which that
// is unknown.
type Inboxes struct{ Dead, Unknown []address.Address }

// Inboxes checks the inboxes of both kinds, and returns the errors.
func (l Listing) Inboxes() (j Inboxes, problems []error) {
	there := map[string]bool{}
	for _, q := range l.Queues {
		there[q.Kind] = there[q.Kind] || q.Inbox
	}
	if there[SysV] || l.SysVErr != nil {
		dead, unknown, err := sysv.DeadInboxes()
		j.Dead = appendAddresses(j.Dead, dead, address.OfID)
		j.Unknown = appendAddresses(j.Unknown, unknown, address.OfID)
		if err != nil {
			problems = append(problems, err)
		}
	}
	if there[Posix] || l.PosixErr != nil {
		dead, unknown, err := posix.DeadInboxes()
		j.Dead = appendAddresses(j.Dead, dead, address.OfName)
		j.Unknown = appendAddresses(j.Unknown, unknown, address.OfName)
		if err != nil {
			problems = append(problems, err)
		}
	}
	return j, problems
}

func appendAddresses[T any](to []address.Address, names []T, of func(T) address.Address) []address.Address {
	for _, name := range names {
		to = append(to, of(name))
	}
	return to
}
