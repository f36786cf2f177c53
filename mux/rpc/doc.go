// Package rpc makes requests that other processes answer, over one queue.
//
//	client, err := rpc.NewClient(q, nil)
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//	reply, err := client.Request(ctx, 7, []byte("what time is it?"))
//
// and in another process, or in several:
//
//	err := rpc.Handle(ctx, q, 7, func(ctx context.Context, request []byte) ([]byte, error) {
//		return []byte(time.Now().String()), nil
//	}, nil)
//
// A [Method] has Go values as requests and replies. [Client.Replies] iterates over many
// replies to one request, which a handler made by [Replies] sends one by one.
//
// Requests wait in the queue, so either side may start first and a server may be replaced
// between two requests. If there is no server, a client stops sending before its requests
// take the room of others, see [Client.Request]. Replies never travel in the queue of the
// requests, which would deadlock when requests fill it: each client has a private queue,
// its inbox, created by its first request and removed by [Client.Close]. The inbox of a
// killed client is removed by sysv.RemoveDeadInboxes or posix.RemoveDeadInboxes, in any
// process, or at a terminal by ipcmq rm --dead-inboxes. If the inbox of a live client is
// removed, its requests in progress fail with [ErrReplyLost], and the next one creates
// another inbox.
//
// A killed server loses the requests that it was handling; their clients get an error at
// the deadline. A request whose context has no deadline gets one, see [ClientConfig].
//
// Messages of other types in the same queue are not touched, so a mux, a stream or
// another [Handle] may take those, also through the same handle. Requests taken by a mux
// or a stream can be answered with [HandleMessages].
//
// # Other languages
//
// Requests and replies begin with a header of 40 bytes, so that programs in other
// languages can take part: PROTOCOL.md, in the directory of this package, specifies byte
// by byte what they send, how inboxes are created and recognized, which clock deadlines
// use, and what clients and servers do. testdata has a message of each kind. The
// directory examples/rpc has clients and servers in C, PHP, Perl, Python, Ruby and Node.
// For programs that know message types but no header, there is package
// ipcmq/mux/rpc/plain.
//
// Most servers in PHP and Python cannot open a queue by its id: a client of such servers
// opens its queue with Config.InboxKeys of package ipcmq/mq/sysv.
//
// Versions of the header are compatible: additions that may be ignored become fields; a
// receiver discards messages of an unknown version, and a server may answer them with
// CodeVersion.
//
// # Caveats
//
// If client and server cannot read the same clock, because one of them is older or has no
// /proc, deadlines are those of wall clocks: a clock that differs, or is set meanwhile,
// makes a server see them early or late. An error based on such a deadline says so.
// Request-reply works within one queue: programs that forward messages to another one
// rewrite deadlines with [Forward], like ipcmq-bridge, but the address of the inbox stays
// the same, and servers there cannot open it. So they handle such requests in time, but
// nobody gets the replies.
//
// CLOCK_BOOTTIME continues while the system is suspended, but Go's timers do not: a
// server finds requests from before the suspension expired, and their clients get the
// error immediately.
//
// A request does not say who sent it. Whoever may write to the queue may send one, and
// name the inbox of another client, which discards the reply.
//
// Any other receiver on the queue that selects the type of the requests, for example with
// mq.Any, takes some of them.
package rpc
