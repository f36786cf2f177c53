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
// # The header of requests and replies
//
// Requests and replies, and no other messages, begin with a header, so that
// programs in other languages can take part. Numbers are little-endian.
//
//	offset size
//	     0    4  the bytes 'i' 'p' 'c' 'q'
//	     4    1  version: 1
//	     5    1  kind: 1 request, 2 reply, 3 error; 4 one of many replies, 5 their
//	             end; 7 more are taken, 8 no more are (6 is the record in an inbox,
//	             below)
//	     6    2  code of an error, see Code; otherwise 0
//	     8    8  id of the request, chosen by the client, not 0; the reply has
//	             the same
//	    16    8  token of the client's inbox, chosen at random by the client; the
//	             reply has the same
//	    24    8  deadline of a request in nanoseconds since 1970 (UTC), or 0; number
//	             of one of many replies, from 1; how many there were, at the end; how
//	             many are taken, with kind 7
//	    32    2  length n of the address, 0 to 255
//	    34    2  length m of the metadata, 0 to 1024
//	    36    4  zero; ignored by receivers
//	    40    n  address of the inbox, in requests, and in the first of many replies;
//	             others have none
//	  40+n    m  metadata: for each pair the length of the key (1 byte, not 0), the
//	             key, the length of the value (2 bytes), the value; no key twice
//	40+n+m       payload; for an error, its text in UTF-8
//
// A key that begins with a zero is that of a field of the header. A receiver skips
// the fields that it does not know, and what is in one behind that which it
// expects. These are known:
//
//	0 'd'  deadline of a request by the clock of the queue: the 16 bytes of the
//	       clock's id, and the time (8 bytes) in nanoseconds
//	0 'w'  how many replies a request takes at first (4 bytes), not 0; without it,
//	       one in all
//
// The clock of a kernel queue is CLOCK_BOOTTIME in the initial time namespace: a
// process in another one takes its offset off, which is in /proc/self/timens_offsets,
// or sends no such field if /proc/self/ns/time and time_for_children differ. Its id
// is that of the boot, in /proc/sys/kernel/random/boot_id. That of a queue on other
// hosts is the clock of the server that stores it. A server goes by it if it can
// read the same clock, and otherwise by the deadline at 24, which is that of the wall
// clock of the client.
//
// # Other versions of the header
//
// In every version the bytes 0 to 23, 32 and 33, and 40 to 39+n, are as above. What
// may be ignored is added to version 1 as a field; what must not be is another
// version. A receiver discards what has a version or a kind that it does not know;
// a server may answer a request with the error 7, in version 1. So a client can
// speak version 1 to every server, and a server answers each client in its own.
//
// # Inboxes
//
// The address of a System V inbox is "sysv:" and the decimal id of the queue. It is
// a private queue (key 0) with the mode 0611, or 0631, 0613 or 0633 if others may
// send replies; servers refuse every other queue. Replies have the type 1, and
// its client receives that type and no other, since the oldest message in it is
// the record of its owner, by which sysv.RemoveDeadInboxes can tell when that is
// dead: of type 2, with 40 bytes.
//
//	offset size
//	     0    4  the bytes 'i' 'p' 'c' 'q'
//	     4    1  version: 1
//	     5    1  kind: 6
//	     6    2  zero
//	     8    8  pid of the owner
//	    16    8  its start, in ticks since the boot: field 22 of /proc/PID/stat
//	    24    8  its pid namespace: the inode number of /proc/PID/ns/pid
//	    32    8  its time namespace: that of /proc/PID/ns/time, 0 if there is none
//
// The client creates the queue with mode 0600, sends the record, and changes the
// mode last (IPC_SET), so that nobody else can have sent anything before. Zeros in
// the record mean that the inbox is never removed by others.
//
// The address of a POSIX inbox is "posix:" and its name, which is /ipcmq-inbox-
// and, with hyphens between, both namespaces, the pid and the start as above, in
// decimal, and something random; servers refuse every other name.
//
// # What clients and servers do
//
// A request has the type that its server handles; a reply has type 1. A server
// does not handle a request whose deadline has passed, and may answer it with the
// error 5. It sends one reply or error for each other one, copying id and token,
// and gives up a reply only if the inbox stays full until the deadline of the
// request. A client ignores messages in its inbox whose token or id it does not
// know. The directory examples/rpc/c has a client and a server in C.
//
// # Many replies
//
// A server sends many replies to a request that has the field 'w', and not otherwise:
// messages of kind 4, numbered from 1, no more than were asked for, and then the end,
// or an error in its place. The first one has the address of an inbox of the server,
// in which the client says how many it takes in all (kind 7), again and again before
// the server has to wait, or that it takes no more (kind 8): messages of type 1 with
// the id and the token of the request. To a request with the field, a server may also
// send one reply, and no end. A client that misses a number, or counts others than the
// end says, takes the replies as lost.
//
// # Caveats
//
// Where client and server cannot read the same clock, since one of them is older or
// has no /proc, deadlines are those of wall clocks: one that differs, or is set
// meanwhile, makes a server see them early or late. An error that comes from that
// says so. Request-reply is within one queue: what forwards messages to another one,
// as ipcmq-bridge does, hands requests on as they are, with deadlines by a clock that
// cannot be read there and addresses of inboxes that servers there cannot open.
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
