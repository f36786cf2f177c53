// Package mux turns one queue into many channels: subscriptions by message type,
// and event-emitter calls. Request-reply is in package ipcmq/mux/rpc, which can
// share the queue with a mux.
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
// goes to every subscription that selects it; each gets its own copy of the
// payload. Among processes, the kernel gives each message to one.
//
// The mux takes messages with as few readers as can serve its subscriptions. A
// single subscription to mq.Type(5) is one reader that takes only type 5, so
// messages that nobody here has asked for stay in the queue for others: that is
// how two programs talk both ways over one queue. A subscription to mq.Any
// replaces all readers by one; so does a pair that selects everything together,
// such as mq.Except(5) and mq.UpTo(5). Each type is taken by one reader at a time
// and keeps its order, also while subscriptions come and go. Subscriptions to
// single types that nothing wider covers have a reader each, and on a System V
// queue each reader holds a thread while it waits.
//
// A reader whose subscription has no room waits for it, and takes nothing else
// meanwhile (see [Overflow] for other policies). This blocks the other
// subscriptions of that reader: under mq.Any, one that is never read stops all of
// them. Subscriptions to single types do not block each other, unless there is a
// wider one. A reader that will be replaced ends first, so if it waits for a slow
// subscription, it delays its successor.
//
// # Words of event emitters
//
// on is [Mux.On], once is [Mux.Once], off is the function that On returns or
// [Subscription.Unsubscribe], emit is [Mux.Publish]; the events error and close
// are [Mux.Err] and [Mux.Done].
//
// # Caveats
//
// Messages that a mux has taken are no longer in the kernel. A killed process
// loses those in the channels of its subscriptions and those that its readers
// hold. A reader holds one message, or gathers some for subscriptions that are
// empty: no more than fit into their channels, and at most 1,024 or 64 KiB, see
// [SubscribeConfig]. It does so only if all its subscriptions have the same
// selector and one has no Limit.
//
// A subscription that selects the type of requests, such as one to mq.Any, takes
// some of them away from the rpc.Handle that should answer them. Subscribe to the
// other types, for example with mq.Except.
package mux
