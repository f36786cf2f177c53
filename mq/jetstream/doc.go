// Package jetstream opens queues that NATS servers keep with JetStream, for
// programs on several hosts. Packages stream and mux work on them as on the
// queues of a kernel; only the line that opens the queue changes:
//
//	q, err := jetstream.Open(ctx, "nats://a.example:4222,nats://b.example:4222", "orders", nil)
//	if err != nil {
//		return err
//	}
//	defer q.Close()
//	err = q.Send(ctx, mq.Message{Type: 1, Data: []byte("hello")})
//
// # Two modes
//
// What selects messages at a server excludes what lends them, so a queue is
// created in one of two modes:
//
//	                    lease mode            claim mode
//	selectors           Any, or single types  all
//	leases              yes                   no
//	headers             of leases             no
//	receivers of        one selector at a     any selectors side by side
//	  one message       time, see Select
//	killed receiver     its leases run out    loses what it had received
//	many receivers      share the work        contend for each message
//
// Lease mode, the default, is for work that must not be lost: take messages with
// [Queue.SelectLeases], or lease.Handle of ipcmq/stream/lease, and acknowledge
// them when they are done. Its Receive is a lease that is acknowledged at once. A queue of
// requests for package mux works in either mode.
//
// What [mq.WithHeader] gives to a send goes in the headers of the message, under its
// own keys, where other programs on NATS find it too; [mq.HeaderOf] has it of a lease.
// So does the context of a trace with ipcmq/mq/otel.
//
// Claim mode is for programs that use the selectors of System V queues. UpTo
// and Except look at the types that are there and then take a message, in two
// steps: a message of a lower type that comes in between is not seen. They slow
// down with the number of different types that wait.
//
// # Answers that are lost
//
// A server that is elsewhere can be away. Send and Receive wait for it as they
// wait for room and messages, until their context ends; calls that do not wait
// fail with [mq.ErrUnavailable], and nothing has happened.
//
// If the answer to a request is lost, it is repeated. Messages have ids, by which
// the servers store a repeated one once, unless they were all stopped meanwhile
// and the message was received already. What is in doubt after that is an error,
// [mq.ErrInDoubt], when a message may have been sent; a message that may have
// been taken is given out, and may come once more. No message that Send has
// returned nil for is lost for such a reason.
//
// # Order
//
// Messages of a type arrive in the order in which the servers stored them, for
// one receiver. What is lent again, after a lease has run out or by Nak, comes
// before newer messages. Several receivers compete, in no order.
//
// # Size
//
// MaxBytes counts what the servers store, with an overhead for each message, see
// [Queue.Overhead]. A full queue makes Send wait, and frees at once when a
// receiver of this package takes something.
//
// # Many messages
//
// [Queue.SendBatch], which [mq.SendBatch] uses, stores up to 1,000 messages with
// two round trips, all of them or none. It needs servers of version 2.12 or later;
// a queue that was made with those does not come up on older ones.
//
// Streams, muxes and ReceiveBatch ask for many messages with one request, have the
// removal of all of them confirmed in one round trip, and hand them out then: up to
// 256, and no more than their channels have room for. In claim mode they take one
// after the other.
//
// lease.Handle takes messages ahead of quick handlers, and has those that were handled
// confirmed together while the next ones run. See Prefetch of its Config. Close the
// queue after Handle has returned: what waits for a handler is given back then, and
// would otherwise stay lent until its lease runs out. [Stat] counts it as Lent.
//
// # Options of messages
//
// [mq.SendWith] gives a message an id of its sender's own, by which the queue stores it
// once, also if the sender is restarted meanwhile and sends it again, and a TTL, after
// which it is removed. [mq.IDOf] and [mq.StoredAt] have the id of a message that is lent,
// and when it was stored.
//
// # Many types
//
// In lease mode, whoever first receives a type has the servers make a consumer for it,
// which all programs share. On a machine of 2 processors one server makes a hundred in
// 0.3 s; with three replicas each is a group of its own among the servers, and a hundred
// take 7.5 s in turn, and 1.9 s from 16 goroutines: so subscribe to many types of a mux
// from several. There may be 2^20, or as many as the account allows (max_consumers), and
// [ErrLimit] says that it does not allow more. Any is one consumer, however many types
// there are, and claim mode has none.
//
// # Clocks
//
// The clocks of clients and servers may differ. Deadlines of package rpc are by the clock
// of the server that leads the queue, see [Queue.Clock]; ipcmq-bridge and rpc.Forward
// rewrite them. Leases, delays and waiting are durations, which each side measures by
// itself. A TTL, the IDWindow and [mq.StoredAt] are by the clock of the server that leads
// the queue, so after another has become the leader they are as wrong as its clock is: keep
// those of the servers within a second of each other, as NTP does. If another server has
// become the leader since a request was sent, its deadline is by the wall clock of the
// client, and an error that comes from that says so. Certificates and the users' JWTs have
// dates, by the wall clocks of both sides. Time of a dead letter is by that of the handler.
//
// # Dead letters
//
// As over System V queues, MaxAttempts and DeadLetter in the Config of lease.Handle, with
// lease.ToQueue, make a message whose attempts have all failed a dead letter of another
// queue, which may be of either kind. The servers count the attempts, those of all programs
// on all hosts together, as long as somebody receives with the selector, see
// [ConsumerLife]. The limit is not a property of the queue, since the servers would then
// only stop lending the message: it is the handler that knows why it has failed.
//
// # Requests of package rpc
//
// Requests are stored in the queue. Replies are not: they go from the server's
// program to the client's memory through the NATS servers, confirmed, in one
// round trip, and one more if the client has not answered within the last second.
// A reply to a client that has ended fails at once; so does one to a
// client whose connection is broken at that moment, and the request then ends
// with its deadline.
//
// # Other languages
//
// PROTOCOL.md, in the directory of this package, says what goes over the wire: how queues
// are made, how messages are sent, lent and acknowledged, and how requests and replies
// travel. integration/examples/python has programs that use it.
//
// # Caveats
//
// Servers confirm a message when it is with a majority of its replicas, and
// write it to disk up to two minutes later (sync_interval of the server): a
// power failure of all replicas can lose confirmed messages. Set sync_interval:
// always where that matters.
//
// A queue in memory is empty after its servers have all restarted.
//
// A lease that has run out is not refused, see [mq.Lease].
//
// When the server that leads a stream is killed, its queue is unavailable for 4
// to 9 seconds; when it is stopped in order, for up to half a second.
//
// A queue that was removed and created again under its name is another one, and
// receivers and holders of leases of the old one get [mq.ErrRemoved]. In claim
// mode a receiver finds out within half a second, and may take messages of the
// new queue until then. A handle that only sends goes on with the new one.
//
// Receivers of lease mode that are canceled in a cluster keep their request with
// the server for up to 5 seconds; a message that comes for it is given back at
// once, and counts one attempt more. Close does not wait for that: a message that
// is on its way then stays lent until its lease runs out.
//
// Servers of version 2.10 or later are needed. A limit of a server or of an account that
// is reached is [ErrLimit], whose text names it.
//
// So is a full disk: sends and most receives fail with ErrLimit, and the first send with
// [mq.ErrInDoubt] too, until there is space and the server was restarted, which then has all
// that it has confirmed; what was received meanwhile may come again. With several replicas,
// a server whose disk is full switches JetStream off, and the others go on if they are a majority.
//
// Users need the right to publish and subscribe to ipcmq.NAME.>, to publish to
// $JS.API.> (or as Config.Domain and Config.APIPrefix say) and $JS.ACK.>, and to subscribe to _INBOX.>. Without it, calls wait
// for answers that do not come.
package jetstream
