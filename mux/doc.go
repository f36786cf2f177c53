// Package mux makes one queue many channels: subscriptions by message type,
// event-emitter calls, and request-reply between processes.
//
//	m, err := mux.New(q, nil)
//	if err != nil {
//		return err
//	}
//	defer m.Close()
//	orders, err := m.Subscribe(mq.Type(1), nil)
//	if err != nil {
//		return err
//	}
//	for o := range orders.Messages() {
//		handle(o)
//	}
//	return m.Err()
//
// # Subscriptions and readers
//
// A subscription is a selector and a channel. Every message that the mux takes
// goes to every subscription that selects it; each gets a payload of its own.
// Between processes, the kernel gives each message to one.
//
// The mux takes messages with as few readers as cover its subscriptions. A
// subscription to mq.Type(5) alone is a reader that takes only type 5, so what
// nobody here has asked for stays in the queue for those who have: that is how
// two programs talk both ways over one queue. A subscription to mq.Any replaces
// all readers by one; so does a pair that selects everything together, such as
// mq.Except(5) and mq.UpTo(5). Each type is taken by one reader at a time and
// keeps its order, also while subscriptions come and go. Subscriptions to single
// types that nothing wider covers have a reader each, and on a System V queue each
// reader holds a thread while it waits.
//
// A reader whose subscription has no room waits for it, and takes nothing else
// meanwhile (see [Overflow] for other policies). This holds up the other
// subscriptions of that reader: under mq.Any, one that is never read stops all
// of them. Subscriptions to single types, with no wider one beside them, do not
// hold each other up. A reader that is to be replaced ends first, so one that
// waits for a slow subscription delays the reader that follows it.
//
// # Words of event emitters
//
// on is [Mux.On], once is [Mux.Once], off is the function that On returns or
// [Subscription.Unsubscribe], emit is [Mux.Publish]; the events error and close
// are [Mux.Err], [Mux.Done] and Config.OnClose.
//
// # Request-reply
//
// [Mux.Request] sends a request of some type and waits for the reply;
// [Mux.Handle] answers the requests of a type, in as many processes as like to.
// Requests wait in the queue, so either side may start first and a server may be
// replaced between two requests. Replies never travel in the queue of the
// requests, which would deadlock when requests fill it: each client has a
// private queue, its inbox, made by its first request and removed by
// [Mux.Close]. That of a client that was killed is removed by
// sysv.RemoveDeadInboxes or posix.RemoveDeadInboxes, in any process.
//
// A server that is killed loses the requests that it had taken; their clients
// see their contexts end. So give every request a deadline.
//
// # The header of requests and replies
//
// Requests and replies, and no other messages, begin with a header, so that
// programs in other languages can take part. Numbers are little-endian.
//
//	offset size
//	     0    4  the bytes 'i' 'p' 'c' 'q'
//	     4    1  version: 1
//	     5    1  kind: 1 request, 2 reply, 3 error (4 and 5 are reserved for
//	             replies in parts)
//	     6    2  code of an error, see Code; otherwise 0
//	     8    8  id of the request, chosen by the client, not 0; the reply has
//	             the same
//	    16    8  token of the client's inbox, chosen at random by the client; the
//	             reply has the same
//	    24    8  deadline of a request in nanoseconds since 1970 (UTC), or 0
//	    32    2  length n of the address, 0 to 255
//	    34    6  zero; ignored by receivers
//	    40    n  address of the inbox, in requests; replies have none
//	  40+n       payload; for an error, its text in UTF-8
//
// The address of a System V inbox is "sysv:" and the decimal id of the queue, that
// of a POSIX inbox "posix:" and its name. A System V inbox is a private queue (key
// 0) whose mode has the three execute bits (0111) besides those that let servers
// write; servers refuse any other queue. Its client has sent it an empty message
// and received that, so that the kernel notes whose it is and
// sysv.RemoveDeadInboxes can tell when the owner is dead.
//
// A request has the type that its server handles; a reply has type 1. A server
// does not handle a request whose deadline has passed, sends one reply or error
// for each other one, copying id and token, and does not wait for long if the
// inbox is full. A client ignores messages in its inbox whose token or id it
// does not know. The directory examples/rpc/c has a client and a server in C.
//
// # Caveats
//
// Messages that a mux has taken have left the kernel. A process that is killed
// loses what is in the channels of its subscriptions, what each reader has in
// hand, and the requests that its handlers are at. A reader has one message in
// hand, or gathers some for subscriptions that are empty: no more than fit into
// their channels, and at most 1,024 or 64 KiB, see [SubscribeConfig]. It does so
// only if all its subscriptions have the same selector and one has no Limit, and
// never for handlers.
//
// Deadlines travel as wall-clock time: a clock that is set meanwhile makes
// servers see them early or late.
//
// A request does not say who sent it. Whoever may write to the queue may send
// one, and name the inbox of another client: that one discards the reply.
package mux
