// Package follow keeps a queue open that others remove and make again: it opens
// the new one by the same key or name, whenever the old one is gone.
//
//	q, err := follow.Open(func() (*sysv.Queue, error) {
//		return sysv.Open(0x2a, &sysv.Config{Owners: []int{os.Geteuid()}})
//	}, nil)
//
// It is a queue like any other: streams, muxes, batches and requests over it go on
// when the queue has been replaced, and wait as long as there is none. It opens
// with the function that it was given, so that what that refuses is refused each
// time: Owners of a Config, and its OpenOnly, which waits until somebody else has
// made the queue.
//
// # What happens to messages
//
// An error still means that nothing moved, and a message that Send has sent is in
// a queue. What was in a System V queue went with it when it was removed.
//
// A POSIX queue that was unlinked goes on working for those who have it open, and
// nobody tells them. Calls look for it, those that wait too, every Config.Every:
// what was sent in the meantime is in the old queue, for those who have that open.
// What a follower finds there it receives before it goes on with the new queue.
// Messages that others send into the old one afterwards it does not see.
//
// It lends no messages (mq.Leaser): what is lent belongs to one queue.
//
// # Requests
//
// A server of package ipcmq/mux/rpc over such a queue serves the new one; what it
// was handling it answers, since replies have queues of their own. A client sends
// its next request into the new one. Requests that were in the old one and that
// no server had taken are gone with it, and end with their deadline.
package follow
