// Package large sends payloads of any size through a System V queue, which alone takes 8
// KiB by default.
//
//	q, err := sysv.Open(0x2a, nil)
//	if err != nil {
//		return err
//	}
//	l, err := large.Wrap(q, nil) // payloads of up to 64 MiB
//	if err != nil {
//		return err
//	}
//	defer l.Close()
//	err = l.Send(ctx, mq.Message{Type: 1, Data: document})
//
// The other side opens the same queue, calls Wrap as well, and receives. Types, order,
// selectors, contexts and leases are those of the queue, and streams, muxes, requests and
// their replies work on top of it.
//
// # Tickets
//
// A payload that fits into the queue travels in it, byte for byte: programs that do not
// know this package understand it. A larger one is put into shared memory, and a ticket
// of 32 bytes travels in its place. A payload that looks like a ticket goes into shared
// memory too, so that it arrives unchanged.
//
// A ticket is, in the byte order of the machine:
//
//	byte  0  ba 7c fd 01
//	      4  32 bits: id of a System V shared memory segment, a store
//	      8  64 bits: number of the payload
//	     16  64 bits: length of the payload in bytes
//	     24  32 bits: index of its entry in the store
//	     28  32 bits: 0
//
// The store begins with a header of 64-bit words: "ipcqlarg", written last; 1, the
// version of this layout; the number of entries, at most 4096; then pid, start in ticks
// since the boot, and the numbers of the pid and the time namespace of the sender, or
// zeros; 1 if the sender will put in no more; and 1 if the store was removed. At bytes
// 128 and 132 are 32-bit words: a sender that waits for room sets the second, and sleeps
// on the first with futex(2). From byte 4096 on come the entries of 64 bytes each, with
// four words: number times 4 plus the state, which is 1, or 2 after the ticket was sent
// (the whole word is 0 in a free entry); id of the queue; offset of the payload from the
// beginning of the store; its length. The payloads begin at the next page of 4096 bytes,
// and the size of a store is 1723 modulo 4096.
//
// The receiver of a ticket attaches the segment, checks all that (the word with the
// number both before and after it copies the payload), and then sets this word to 0 by
// compare-and-swap. If the sender waits, the receiver sets the word at 132 to 0,
// increments the one at 128 and wakes the sender. If the sender will put in no more and
// all entries are free, the receiver removes the segment. The folder examples/large/c has
// this in C, for both sides.
//
// # Room
//
// Payloads that were sent but not received take system memory. Config.Memory limits that
// of each sending handle; beyond it, Send waits as for a full queue. The memory is
// charged to the sender's cgroup.
//
// Replies of ipcmq/mux/rpc may take the same amount again, in addition to messages. A
// server should have enough Memory for the replies that a client awaits at once: beyond
// it some are kept and others given up, see rpc.Handle.
//
// A payload is copied twice, once by each side. The first use of memory takes longer than
// that: ReceiveInto and mq.AllInto, which reuse theirs, can be several times as fast as
// Receive, and senders reuse memory that receivers have freed.
//
// # Missing payloads
//
// A ticket whose payload is missing is received as a message whose Data is the ticket and
// that is Truncated; the reason goes to Config.Logger. It happens if the shared memory
// was removed, if a program has forged a ticket, if the payload is larger than
// Config.MaxPayload of the receiver, and in the cases under Caveats.
//
// # What killed programs leave
//
// When a sender is killed, the messages in the queue stay, with their payloads. Payloads
// that it had stored but not sent are freed by other processes.
//
// A receiver that is killed while it copies a payload loses nothing if the queue lends,
// that is, has a key: it takes the message on lease until it has the payload. The pool of
// leases must be created by the owner or the creator of the queue, or root; until then,
// and with queues without a key, a killed receiver loses the message that it had taken,
// as without this package. Its memory is freed by the sender, or once the sender has
// ended by other receivers. This takes up to about half a minute, as long as any process
// uses this package, since until then a payload without a ticket in the queue might be in
// use by a receiver.
//
// # Caveats
//
// Only System V queues work. Queues on other hosts cannot reach the memory, and a POSIX
// queue cannot be searched for tickets, so payloads left by killed programs could not be
// told apart from those of waiting messages.
//
// A receiver from a queue that does not lend, or a program that takes tickets without
// this package, may find a payload freed if it is stopped for half a minute between
// receiving a ticket and copying its payload.
//
// If the queue lends, receivers that wait without leases get messages first: see
// SelectLeases in package mq/sysv.
//
// Whoever may read the queue may overwrite payloads that have not been received. Members
// of a group that may read it must be in the queue's own group, not only in its
// creator's, or in the sender's. If the owner of a queue is not its creator, both may
// read the queue, but only the owner may receive large payloads of others.
//
// Whether a sender in another pid namespace has ended cannot be known: if it was killed,
// its memory stays until somebody removes it (ipcrm -m).
//
// If the underlying queue truncates (Truncate of its Config), it must leave 32 bytes.
//
// Remove also removes the messages in the queue; see [Queue.Remove]. If the queue is
// removed in another way, for example by ipcrm, the next process that uses this package
// frees the memory.
package large
