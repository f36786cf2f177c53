// Package mq is the vocabulary that every queue of ipcmq shares: [Message],
// [Selector], the interfaces [Sender], [Receiver] and [Queue], and the errors.
//
// A queue is opened with a backend: package ipcmq/mq/sysv for System V message
// queues, ipcmq/mq/posix for POSIX ones. Packages ipcmq/stream and ipcmq/mux
// build Go channels on any [Queue], and ipcmq/mux/rpc makes requests through it.
//
// # What every queue promises
//
//   - An error means that nothing moved: a Send that fails has not sent, a
//     Receive that fails has taken nothing. So every call can be repeated.
//     A success wins a race with a cancellation.
//   - A context immediately ends the one call it is given to, and leaves the queue
//     usable.
//   - Close unblocks every blocked call with [ErrClosed], may be called again,
//     and never removes the queue from the kernel.
//   - Messages of one type (System V) or one priority (POSIX) arrive in the
//     order in which the kernel accepted them.
//   - All methods may be called by several goroutines at once.
//   - Errors are [*Error] and match, with [errors.Is], a sentinel of this
//     package, of io/fs or of context, and the errno.
//
// Package ipcmq/mq/mqtest has a test suite for these promises.
//
// # Caveats
//
// A receive is destructive: the message has left the queue when Receive returns
// it, and is lost if the process dies before it has done its work. A queue that is
// a [Leaser] lends messages instead.
//
// Whoever may write to a queue may send any type, any priority and any bytes;
// a message does not say who sent it.
package mq
