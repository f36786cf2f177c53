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
// Every message carries a type, a number from 1 up, and the payload. A receiver
// may take the oldest message of all ([mq.Any]), the oldest of one type
// ([mq.Type]), the oldest of the lowest type up to a limit ([mq.UpTo], which
// makes types priorities, 1 being the most urgent), or the oldest of every type
// but one ([mq.Except]). Messages that nobody selects stay. Two programs that
// take different types share one queue in both directions.
//
// # Waiting
//
// However many goroutines wait on a handle, a few of them sleep in the kernel,
// each with an OS thread, and the others wait for their turn: of those that
// receive what one selector selects, as many as GOMAXPROCS, the oldest first; of
// those that send, the oldest and the one with the smallest payload, so that
// none waits for its turn while there is room for what it sends. Every call tries
// before it waits.
//
// The kernel offers neither a timeout nor a file descriptor for these queues. A
// context or Close that ends a call that sleeps sends its thread SIGURG, the
// signal with which the Go runtime preempts goroutines. A program that passes
// SIGURG to signal.Notify sees these signals too; one that has it ignored with
// signal.Ignore finds it no longer ignored after the first call that had to be
// ended so. Ignoring SIGURG by other means, in C, leaves such calls waiting.
//
// # Leases
//
// What is received is gone from the queue, and with the process that received
// it. [Queue.SelectLeases] lends messages instead: one that is not acknowledged,
// because its holder failed, was killed or takes too long, is lent again. Package
// ipcmq/stream/lease handles messages so, with retries and dead letters.
//
// # Limits
//
// kernel.msgmax bounds the payload of a message (8192 bytes by default),
// kernel.msgmnb the capacity that a new queue gets (16384 bytes), kernel.msgmni
// the number of queues (32000). They belong to the IPC namespace and are read
// with [SystemLimits] and raised with sysctl(8). Errors name the limit that they
// are about, with its value.
//
// # Caveats
//
// A queue and its messages stay in the kernel until it is removed or the system
// restarts, also when no process uses it. systemd removes an ordinary user's
// queues at logout unless RemoveIPC=no is set in logind.conf(5).
//
// A handle stays with its queue: once that is removed its calls fail with
// [mq.ErrRemoved], also if somebody has made another with the same key. Package
// ipcmq/mq/follow opens that.
//
// Containers have IPC namespaces of their own: the same key is another queue
// there.
//
// Whoever may write to a queue may send any type; a message does not name its
// sender. Any local user may create a queue under a key that is free: see
// Config.Owners.
//
// The kernel gives each waiting sender room in turn, but one whose message does
// not fit yet is passed over: beside a steady flow of small messages a large one
// can wait for a long time.
//
// A restart of the system, or the end of a container's IPC namespace, ends queues
// with their messages, also those on lease.
//
// Handles and selectors on which calls wait hold at least one thread each. A
// process may have 8,000 of them, or half of the threads that RLIMIT_NPROC or
// pids.max leave it; beyond, a call that would wait fails with
// [mq.ErrTooManyThreads].
package sysv
