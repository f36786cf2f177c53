// Package rpc makes requests that other processes answer, over one queue.
//
//	client, err := rpc.NewClient(q, nil)
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//	reply, err := client.Request(ctx, 7, []byte("what time is it?"))
//
// and in another process, or in as many as like to:
//
//	err := rpc.Handle(ctx, q, 7, func(ctx context.Context, request []byte) ([]byte, error) {
//		return []byte(time.Now().String()), nil
//	}, nil)
//
// A [Method] has values of Go as requests and replies. [Client.Replies] is a range over
// many replies to one request, which a handler made by [Replies] sends one by one.
//
// Requests wait in the queue, so either side may start first and a server may be
// replaced between two requests. Where none comes, a client stops sending before
// its requests take the room of others, see [Client.Request]. Replies never travel in the queue of the
// requests, which would deadlock when requests fill it: each client has a
// private queue, its inbox, made by its first request and removed by
// [Client.Close]. That of a client that was killed is removed by
// sysv.RemoveDeadInboxes or posix.RemoveDeadInboxes, in any process, or at a
// terminal by ipcmq rm --dead-inboxes. If somebody removes that of one that lives,
// the requests under way fail with [ErrReplyLost], and the next one makes another.
//
// A server that is killed loses the requests that it was handling; their clients
// learn that from the deadline. A request whose context has none gets one, see
// [ClientConfig].
//
// Messages of other types in the same queue are not touched, so a mux, a stream
// or another [Handle] may take those, also through the same handle. Requests that
// such a one has taken can be answered with [HandleMessages].
//
// # Other languages
//
// Requests and replies begin with a header of 40 bytes, so that programs in other
// languages can take part: PROTOCOL.md, in the directory of this package, says
// byte by byte what they send, how inboxes are made and told from other queues, by
// which clock deadlines travel, and what clients and servers do. testdata has a
// message of each kind. The directory examples/rpc has clients and servers in C, PHP,
// Perl, Python, Ruby and Node. Programs that know message types and no header are
// what package ipcmq/mux/rpc/plain is for.
//
// Most servers in PHP and Python can open no queue by its id: a client whose requests
// they may answer opens its queue with Config.InboxKeys of package ipcmq/mq/sysv.
//
// Versions of the header understand each other: what may be ignored is added as a
// field, a receiver discards what has a version that it does not know, and a server
// may answer that with CodeVersion.
//
// # Caveats
//
// Where client and server cannot read the same clock, since one of them is older or
// has no /proc, deadlines are those of wall clocks: one that differs, or is set
// meanwhile, makes a server see them early or late. An error that comes from that
// says so. Request-reply is within one queue: what forwards messages to another one
// rewrites deadlines with [Forward], as ipcmq-bridge does, but the address of the inbox
// stays as it is, and servers there cannot open it. So they handle such requests in time,
// and nobody gets their replies.
//
// CLOCK_BOOTTIME goes on while the system is suspended, and the timers of Go do not:
// a server sees a request of before as expired, and its client learns that at once.
//
// A request does not say who sent it. Whoever may write to the queue may send
// one, and name the inbox of another client: that one discards the reply.
//
// Whoever else receives from the queue in a way that selects the type of the
// requests, such as with mq.Any, takes some of them.
package rpc
