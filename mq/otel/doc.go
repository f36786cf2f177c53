// Package otel measures queues with OpenTelemetry, and traces requests through
// processes.
//
//	seen, err := otel.New(nil) // the global providers
//	if err != nil {
//		return err
//	}
//	q = seen.Queue(q, "orders") // for streams, muxes, rpc, leases: anything that takes a queue
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
// Names and attributes follow OpenTelemetry's conventions for messaging as far as
// possible: messaging.destination.name is the name that the program gives the queue,
// messaging.system is ipcmq, and error.type is a word such as full, closed or
// deadline_exceeded.
//
//	messaging.client.sent.messages       {message}  sent; with error.type, not sent: full means that there was no room
//	messaging.client.consumed.messages   {message}  received
//	messaging.client.operation.duration  s          of calls that may wait: send, receive, request, and ranges over replies
//	messaging.process.duration           s          of handlers
//	ipcmq.client.sent.bytes              By         of payload
//	ipcmq.client.consumed.bytes          By
//	ipcmq.rpc.unanswered                 {message}  requests that a server took and did not answer, by error.type
//	ipcmq.lease.retries                  {message}  given to a handler again
//	ipcmq.lease.dead_letters             {message}  accepted by DeadLetter
//	ipcmq.lease.failures                 {message}  failed attempts and lost leases, by error.type
//	ipcmq.channel.delivered              {message}  put into the channel of a stream or a subscription
//	ipcmq.channel.blocked                s          spent waiting for room in it
//	ipcmq.channel.buffered               {message}  in it now
//	ipcmq.channel.dropped                {message}  for which a subscription had no room
//
// # Traces
//
// A request is a span of its client with a child span of the server, wherever that
// is: the trace context travels in the metadata of the request. A range over replies
// is one span, from the first to the last reply. A handler of leases has a span for
// each message, a handler of batches one for each batch.
//
// Calls of a queue have spans only if their context has a recorded span, as in a
// handler; they start no traces of their own, which could be a million per second.
// Over JetStream the trace context travels in the headers of a message, and the trace
// continues in the handler of its lease, in another process or on another host; a
// batch is linked to the traces of its messages. A message in a kernel queue has no
// headers, and a receive without a lease does not return them: there the trace ends
// with the send.
//
// # Cost
//
// If nothing is recorded, because no provider was set, a call of a queue takes about
// ten nanoseconds more, and no memory. With metrics it takes about 0.7 µs more, and
// with a span about 2 µs on top of that; go test -bench . measures it.
//
// # Caveats
//
// Further abilities of a queue wrapped by [Telemetry.Queue] are available through
// [mq.As], which rpc and leases use. Their operations on inboxes and leases do not count
// as calls of the queue.
package otel
