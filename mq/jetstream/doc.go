// Package jetstream opens queues that NATS servers keep with JetStream, for
// programs on several hosts. Packages stream and mux work on them as on kernel
// queues; only the line that opens the queue changes:
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
// JetStream can lend messages or select them freely, but not both, so a queue is
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
// them when they are done. Its Receive is a lease that is acknowledged immediately. A queue
// of requests for package mux works in either mode.
//
// The header that [mq.WithHeader] gives to a send travels in the headers of the
// message, under its own keys, where other NATS programs find it too; [mq.HeaderOf]
// returns it from a lease. The trace context of ipcmq/mq/otel travels the same way.
//
// Claim mode is for programs that use the selectors of System V queues. UpTo
// and Except look at the types in the queue and then take a message, in two steps:
// a message of a lower type that comes in between is missed. They slow down with
// the number of different types in the queue.
//
// # Lost answers
//
// A remote server can be unavailable. Send and Receive wait for it as they wait
// for room and messages, until their context ends; calls that do not wait fail
// with [mq.ErrUnavailable], and nothing has happened.
//
// If the answer to a request is lost, the request is repeated. Messages have ids, so
// that the servers store a repeated one once, unless all of them were stopped in the
// meantime and the message had already been received. If it stays in doubt whether a
// message was sent, the error is [mq.ErrInDoubt]; a message that may have been taken
// is returned, and may come again. A message for which Send returned nil is never lost
// this way.
//
// # Order
//
// A single receiver gets messages of a type in the order in which the servers stored
// them. Messages that are lent again, after their lease has run out or by Nak, come
// before newer ones. Several receivers compete, in no particular order.
//
// # Size
//
// MaxBytes counts what the servers store, with an overhead for each message, see
// [Queue.Overhead]. A full queue makes Send wait; it continues as soon as a receiver
// of this package takes something.
//
// # Many messages
//
// [Queue.SendBatch], which [mq.SendBatch] uses, stores up to 1,000 messages with
// two round trips, all of them or none. It needs servers of version 2.12 or later;
// a queue that was created with those does not come up on older ones.
//
// Streams, muxes and ReceiveBatch request many messages at once, up to 256 and no more
// than their channels have room for, have their removal confirmed in one round trip,
// and then deliver them. In claim mode they take one at a time.
//
// lease.Handle takes messages in advance for quick handlers, and acknowledges handled
// ones together while the next ones are handled. See Prefetch of its Config. Close the
// queue only after Handle has returned: Handle gives back messages that wait for a
// handler, which would otherwise stay lent until their leases run out. [Stat] counts
// them as Lent.
//
// # Options of messages
//
// [mq.SendWith] gives a message an id chosen by the sender, so that the queue stores it
// once, even if the sender is restarted and sends it again, and a TTL, after which it is
// removed. [mq.IDOf] and [mq.StoredAt] return the id of a lent message, and when it was
// stored.
//
// # Many types
//
// In lease mode, the first receiver of a type makes the servers create a consumer for
// it, which all programs share. On a machine with 2 processors one server creates a
// hundred in 0.3 s. With three replicas each is a separate group among the servers, and a
// hundred take 7.5 s one after the other, or 1.9 s from 16 goroutines: so subscribe to
// many types of a mux from several goroutines. There may be 2^20, or as many as the
// account allows (max_consumers); beyond that the error is [ErrLimit]. Any needs one
// consumer, however many types there are, and claim mode none.
//
// # Clocks
//
// The clocks of clients and servers may differ. Deadlines of package rpc use the clock of
// the server that leads the queue, see [Queue.Clock]; ipcmq-bridge and rpc.Forward
// rewrite them. Leases, delays and waits are durations, which each side measures by
// itself. A TTL, the IDWindow and [mq.StoredAt] use the clock of the server that leads the
// queue, so after a change of leader they are as wrong as the new leader's clock: keep the
// servers' clocks within a second of each other, as NTP does. If the leader has changed
// since a request was sent, its deadline uses the wall clock of the client, and an error
// caused by that says so. Dates of certificates and users' JWTs are checked by the wall
// clocks of both sides. The Time of a dead letter is by the handler's clock.
//
// # Dead letters
//
// As with System V queues, MaxAttempts and DeadLetter in the Config of lease.Handle, with
// lease.ToQueue, turn a message whose attempts have all failed into a dead letter in
// another queue, of either kind. The servers count the attempts of all programs on all
// hosts together, as long as somebody receives with the selector, see [ConsumerLife].
// The limit is not a property of the queue, since the servers would then only stop lending
// the message: only the handler knows why it has failed.
//
// # Requests of package rpc
//
// Requests are stored in the queue. Replies are not: they go from the server's
// program to the client's memory through the NATS servers, confirmed, in one
// round trip, and one more if the client has not answered within the last second.
// A reply to a client that has ended fails at once; so does one to a client whose
// connection is broken at that moment, and the request then ends with its deadline.
//
// # Other languages
//
// PROTOCOL.md, in the directory of this package, describes what goes over the wire: how
// queues are created, how messages are sent, lent and acknowledged, and how requests and
// replies travel. integration/examples/python has programs that use it.
//
// # Caveats
//
// Servers confirm a message once a majority of its replicas has it, and write it
// to disk up to two minutes later (sync_interval of the server): a power failure
// of all replicas can lose confirmed messages. Set sync_interval: always where
// that matters.
//
// A queue in memory is empty after its servers have all restarted.
//
// A lease that has run out is not refused, see [mq.Lease].
//
// When the server that leads a stream is killed, its queue is unavailable for 4
// to 9 seconds; when it is shut down cleanly, for up to half a second.
//
// A queue that was removed and created again under its name is a different one:
// receivers and lease holders of the old one get [mq.ErrRemoved]. In claim mode a
// receiver finds out within half a second, and may take messages of the new queue
// until then. A handle that only sends continues with the new one.
//
// In a cluster, a lease-mode receiver that is canceled leaves its request with the
// server for up to 5 seconds; a message that comes for it is given back at once, and
// counts one more attempt. Close does not wait for that: a message that is on its way
// then stays lent until its lease runs out.
//
// Servers of version 2.10 or later are needed. When a limit of a server or of an account
// is reached, the error is [ErrLimit], whose text names it.
//
// So is a full disk: sends and most receives fail with ErrLimit, and the first send with
// [mq.ErrInDoubt] too, until there is space and the server was restarted, which then has all
// that it has confirmed; what was received meanwhile may come again. With several replicas,
// a server whose disk is full switches JetStream off, and the others go on if they are a majority.
//
// Users need the right to publish and subscribe to ipcmq.NAME.>, to publish to
// $JS.API.> (or as Config.Domain and Config.APIPrefix say) and $JS.ACK.>, and to
// subscribe to _INBOX.>. Without these, calls wait for answers that never come.
package jetstream
