package posix

// QueuesAt is Queues with another /proc, QueuesIn with another mounted file
// system.
var (
	QueuesAt = queuesAt
	QueuesIn = queuesIn
)
