package posix

// QueuesAt is Queues with another /proc, QueuesIn with another mounted file
// system.
var (
	QueuesAt = queuesAt
	QueuesIn = queuesIn
)

// Waiting returns how many calls wait on a handle that was opened with Blocking.
func Waiting(q *Queue) int { return q.wait.(*sleeper).calls.Waiting() }
