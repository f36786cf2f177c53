// Package lease handles messages, each at least once.
//
// A received message is gone from its queue. A queue that can lend its messages, an
// [mq.Leaser], keeps each until it is acknowledged, and [Handle] acknowledges a
// message after it was handled. If its handler fails or its process is killed, the
// message is handled again:
//
//	err := lease.Handle(ctx, q, func(ctx context.Context, d lease.Delivery) error {
//		return store(ctx, d.Data)
//	}, nil)
//
// With Config.MaxAttempts, a message that always fails goes to Config.DeadLetter, for
// example into another queue with [ToQueue].
//
// [HandleBatches] gathers messages, and handles and acknowledges them together.
//
// System V queues with a key can lend, and those of JetStream; POSIX queues and
// private System V queues are refused. In tests, the in-memory queue of
// ipcmq/mq/mqtest can lend.
//
// # Caveats
//
// A message may be handled more than once: if a process is killed before the message
// is acknowledged, or a lease cannot be extended. A message that is given back may be
// overtaken by others that were sent later.
//
// With a System V queue, messages that are lent or given back exist as long as the
// queue: until it is removed, the system restarts, or the container ends whose IPC
// namespace it is in. So do dead letters in such a queue. There are no scheduled
// messages, and no jobs with unique names.
package lease
