// Package follow keeps a queue open that others remove and recreate: whenever the
// old queue is gone, it opens the new one by the same key or name.
//
//	q, err := follow.Open(func() (*sysv.Queue, error) {
//		return sysv.Open(0x2a, &sysv.Config{Owners: []int{os.Geteuid()}})
//	}, nil)
//
// It is a queue like any other: streams, muxes, batches and requests on it
// continue when the queue has been replaced, and wait as long as there is none.
// Each time it calls the given function, so Owners of a Config are checked each
// time, and with OpenOnly it waits until somebody else has created the queue.
//
// # What happens to messages
//
// An error still means that nothing moved, and a message that Send has sent is in
// a queue. The messages in a System V queue are lost when it is removed.
//
// An unlinked POSIX queue continues to work for those who have it open, without
// notice. So calls, also waiting ones, check for this every Config.Every; messages
// sent before they notice are in the old queue, for those who have it open. A
// follower receives what it finds there before it continues with the new queue. It
// does not see messages that others send to the old queue afterwards.
//
// It does not lend messages (mq.Leaser): a lease belongs to one queue.
//
// # Requests
//
// A server of package ipcmq/mux/rpc on such a queue serves the new one; it still
// answers the requests it was handling, since replies have their own queues. A
// client sends its next request to the new one. Requests that no server had taken
// from the old one are lost with it, and end with their deadline.
package follow
