// Package lease handles messages, each at least once.
//
// What is received is gone from the queue. A queue that can lend its messages, an
// [mq.Leaser], keeps each until it is acknowledged, and [Handle] does that once a
// message was handled. If its handler fails or its process is killed, the message
// is handled again:
//
//	err := lease.Handle(ctx, q, func(ctx context.Context, d lease.Delivery) error {
//		return store(ctx, d.Data)
//	}, nil)
//
// With Config.MaxAttempts, a message that always fails goes to Config.DeadLetter,
// such as into another queue with [ToQueue].
//
// [HandleBatches] gathers messages and has them handled and acknowledged together.
//
// System V queues with a key can lend, and those of JetStream; POSIX queues and
// private System V queues are refused. In tests, the queue in memory of
// ipcmq/mq/mqtest can.
//
// # Caveats
//
// A message may be handled more than once: if a process is killed before the
// message was acknowledged, or a lease cannot be extended. A message that is given
// back may be overtaken by others that were sent later.
//
// Of a System V queue, what is lent or given back lasts as long as the queue: until
// that is removed, the system restarts, or the container ends whose IPC namespace it
// is in. A dead letter there does too. Messages that are to come later, and jobs that
// are unique by a name, are not there.
package lease
