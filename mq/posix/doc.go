// Package posix opens POSIX message queues: mq_overview(7), mq_open(3). Programs
// in C and every language that can call C share these queues.
//
//	q, err := posix.Open("/jobs", nil) // opens it, or creates it with mode 0600
//	if err != nil {
//		return err
//	}
//	defer q.Close()
//	err = q.Send(ctx, mq.Message{Priority: 5, Data: []byte("hello")})
//
// A queue has a name and a fixed size: a number of messages, and of bytes in each. Its
// messages have priorities, 0 to 32767, and the highest is received first; among
// equals, the oldest. There are no types, and a receiver cannot select.
//
// # Waiting
//
// A call that waits holds no thread: it waits in the poller of the Go runtime, like a
// network connection, and thousands may wait. With Config.Blocking it waits in the
// kernel, holding a thread, and returns some microseconds sooner; to end such a call
// when its context ends or Close is called, its thread is sent SIGURG, as in package
// ipcmq/mq/sysv.
//
// Timeouts are those of contexts. They use the monotonic clock: setting the system
// clock neither shortens nor prolongs them.
//
// # Limits
//
// Unprivileged processes can create queues of up to fs.mqueue.msg_max messages (10 by
// default) of up to fs.mqueue.msgsize_max bytes (8192), with no more than
// fs.mqueue.queues_max queues in the IPC namespace (256), and RLIMIT_MSGQUEUE bytes in
// all queues of one user (819200): nine queues of the default size. [SystemLimits]
// reads the limits. Errors name the limit that was hit, with its value.
//
// # Descriptors
//
// A queue is a file. A program that gets one as a descriptor, because systemd created
// it (ListenMessageQueue= in systemd.socket(5)) or another process sent it, makes a
// handle with [FromFile]; [Queue.SyscallConn] gives access to the descriptor of a
// handle.
//
// # Caveats
//
// A queue and its messages stay in the kernel until its name is unlinked and nobody
// has it open, or the system restarts, even if no process uses it. systemd removes an
// ordinary user's queues at logout unless RemoveIPC=no is set in logind.conf(5).
//
// Containers have their own IPC namespaces, where the same name is another queue.
//
// A queue that was unlinked while it was open continues to work for those who have it
// open; whoever opens its name later gets another queue. [Queue.Check] detects this,
// and package ipcmq/mq/follow switches to the other queue.
//
// Whoever may write to a queue may send any priority; a message does not name
// its sender. Any local user may create a queue under a name that is free: see
// Config.Owners.
//
// A message that arrives wakes one goroutine of every handle that waits in a poller,
// in all processes, and one of them gets it. Calls that wait in the kernel, like those
// of C programs, are served before these. If many wait for one queue, they should
// share a handle, or use Config.Blocking. A handle takes a second descriptor when one
// of its calls waits in the poller for the first time.
//
// A call that finds a message, or room, does not queue up behind waiting calls of the
// same handle.
//
// gVisor has no POSIX queues: opening one fails with errors.ErrUnsupported.
package posix
