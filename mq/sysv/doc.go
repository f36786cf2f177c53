// Package sysv opens System V message queues: msgget(2), msgop(2), msgctl(2).
// Programs in C, PHP, Perl, Python, Ruby and Node share these queues.
//
//	q, err := sysv.Open(0x2a, nil) // opens it, or creates it with mode 0600
//	if err != nil {
//		return err
//	}
//	defer q.Close()
//	err = q.Send(ctx, mq.Message{Type: 1, Data: []byte("hello")})
//
// # Message types
//
// Every message carries a type, a number from 1 up, and a payload. A receiver may
// take the oldest message of all ([mq.Any]), the oldest of one type ([mq.Type]),
// the oldest of the lowest type up to a limit ([mq.UpTo], which makes types
// priorities, 1 being the most urgent), or the oldest of all types but one
// ([mq.Except]). Messages that nobody selects stay. Two programs that take
// different types share one queue in both directions.
//
// # Waiting
//
// However many goroutines wait on a handle, only a few sleep in the kernel, each
// with an OS thread; the others wait for their turn. The sleepers are, for each
// selector in use, up to GOMAXPROCS receivers, the oldest first; and two senders,
// the oldest and the one with the smallest payload, so that no sender waits while
// there is room for its message. Every call tries before it waits.
//
// The kernel offers neither a timeout nor a file descriptor for these queues. To
// end a sleeping call when its context ends or Close is called, its thread is
// sent SIGURG, the signal with which the Go runtime preempts goroutines. A
// program that passes SIGURG to signal.Notify sees these signals too; in one that
// ignores it with signal.Ignore, it is no longer ignored after the first call
// that had to be ended that way. If SIGURG is ignored by other means, in C, such
// calls go on waiting.
//
// # Leases
//
// A received message is gone from the queue, and is lost if the process that
// received it dies. [Queue.SelectLeases] lends messages instead: one that is not
// acknowledged, because its holder failed, was killed or takes too long, is lent
// again. Package ipcmq/stream/lease builds on this, with retries and dead
// letters.
//
// # Limits
//
// kernel.msgmax limits the payload of a message (8192 bytes by default),
// kernel.msgmnb is the capacity of a new queue (16384 bytes), and kernel.msgmni
// limits the number of queues (32000). They belong to the IPC namespace;
// [SystemLimits] reads them and sysctl(8) raises them. Errors name the limit that
// was hit, with its value.
//
// # Caveats
//
// A queue and its messages stay in the kernel until it is removed or the system
// restarts, even if no process uses it. systemd removes an ordinary user's queues
// at logout unless RemoveIPC=no is set in logind.conf(5).
//
// A handle stays with its queue: once that is removed its calls fail with
// [mq.ErrRemoved], even if another queue with the same key was created. Package
// ipcmq/mq/follow opens the new one.
//
// Containers have their own IPC namespaces, where the same key names another
// queue.
//
// Whoever may write to a queue may send any type; a message does not name its
// sender. Any local user may create a queue under a key that is free: see
// Config.Owners.
//
// The kernel gives room to waiting senders in turn, but passes over one whose
// message does not fit yet: a large message can wait for a long time while small
// ones keep coming.
//
// A restart of the system, or the end of a container's IPC namespace, destroys
// queues with their messages, also those on lease.
//
// Handles and selectors on which calls wait hold at least one thread each. A
// process may have 8,000 such threads, or half of those that RLIMIT_NPROC or
// pids.max leave it; beyond that, a call that would wait fails with
// [mq.ErrTooManyThreads].
package sysv
