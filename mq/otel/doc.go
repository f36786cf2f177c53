// Package otel measures queues with OpenTelemetry, and traces requests through
// processes.
//
//	seen, err := otel.New(nil) // the global providers
//	if err != nil {
//		return err
//	}
//	q = seen.Queue(q, "orders") // for streams, muxes, rpc, leases: all that takes a queue
//
//	client := seen.Client(rpcClient, "orders")
//	reply, err := client.Request(ctx, 7, data)
//	for reply, err := range client.Replies(ctx, 7, data) { ... }
//
//	err = seen.HandleRequests(ctx, q, 7, handler, nil) // as rpc.Handle
//	err = seen.HandleLeases(ctx, q, handler, nil)      // as lease.Handle
//	err = seen.HandleLeaseBatches(ctx, q, batch, nil)  // as lease.HandleBatches
//
// # Metrics
//
// Names and attributes are those of OpenTelemetry's conventions for messaging,
// as far as they go: messaging.destination.name is the name that the program gives
// the queue, messaging.system is ipcmq, and error.type is a word such as full,
// closed or deadline_exceeded.
//
//	messaging.client.sent.messages       {message}  sent, and with error.type not sent: full says that there was no room
//	messaging.client.consumed.messages   {message}  received
//	messaging.client.operation.duration  s          of calls that may wait: send, receive, request, and ranges over replies
//	messaging.process.duration           s          of handlers
//	ipcmq.client.sent.bytes              By         of payload
//	ipcmq.client.consumed.bytes          By
//	ipcmq.rpc.unanswered                 {message}  requests that a server took and did not answer, by error.type
//	ipcmq.lease.retries                  {message}  given to a handler not for the first time
//	ipcmq.lease.dead_letters             {message}  given to DeadLetter, which took them
//	ipcmq.lease.failures                 {message}  attempts that failed, leases that were lost, by error.type
//	ipcmq.channel.delivered              {message}  put into the channel of a stream or a subscription
//	ipcmq.channel.blocked                s          waited for room in it
//	ipcmq.channel.buffered               {message}  in it now
//	ipcmq.channel.dropped                {message}  for which a subscription had no room
//
// # Traces
//
// A request is a span of its client and, as its child, one of the server, wherever
// that is: the context of the trace travels in the metadata of the request. A range
// over replies is one span, from its first to its last. A handler of leases has a
// span too, and one of batches has one for each.
//
// Calls of a queue have spans where the context that they are given has one that
// is recorded, as in a handler, and no traces of their own, of which there would
// be a million a second. Over JetStream, the context of the trace goes in the headers
// of a message, and the trace goes on with the handler of its lease, in another
// process or on another host; a batch is linked to the traces of its messages. A
// message in a queue of the kernel has no headers, and one that is received without a
// lease does not tell of them: there the trace ends with the send.
//
// # Cost
//
// Where nothing is recorded, since no provider was set, a call of a queue takes some
// ten nanoseconds more, and no memory. With metrics it is some 0.7 µs, and a span as
// part of a trace some 2 µs on top of that; go test -bench . measures it.
//
// # Caveats
//
// A queue that [Telemetry.Queue] has wrapped shows what else it can do through
// [mq.As], as rpc and leases use it. What those do with inboxes and leases is not
// counted as calls of the queue.
package otel
