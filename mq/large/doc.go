// Package large sends payloads of any size through a System V queue, which by itself
// takes 8 KiB.
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
// selectors, contexts and leases are those of the queue, and streams, muxes, requests
// and their replies run over it.
//
// # Tickets
//
// A payload that fits into the queue travels in it, byte for byte: who does not know
// this package understands it. A larger one is put into shared memory, and a ticket of
// 32 bytes travels in its place. A payload that looks like a ticket goes into shared
// memory too, so that it arrives as it is.
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
// The store has, in words of 64 bits, a header: "ipcqlarg", written last; 1, the
// version of this layout; how many entries there are, 4096 at most; then pid, start in
// ticks since the boot, and the numbers of the pid and the time namespace of the sender,
// or zeros; 1 if the sender will put in no more; and 1 if it was removed. At the bytes
// 128 and 132 are words of 32 bits: the sender that waits for room sets the second, and
// sleeps on the first with futex(2). From byte 4096 on are the entries of 64 bytes each,
// with four words: number times 4 plus the state, which is 1, or 2 after the ticket was
// sent, and 0 of a free entry; id of the queue; offset of the payload, from the beginning
// of the store; its length. The payloads begin with the next page of 4096 bytes, and the
// size of a store leaves 1723 when divided by 4096.
//
// Who receives a ticket attaches the segment, checks all that, the word with the number
// before and after it copies the payload, and then sets that to 0 by compare-and-swap. If
// the sender waits, it sets that word to 0, counts the other up and wakes it. If the
// sender will put in no more and all entries are free, it removes the segment. The folder
// examples/large/c has that in C, for both sides.
//
// # Room
//
// Payloads that were sent and not received take memory of the system. Config.Memory
// bounds that of each handle that sends; beyond it, Send waits as for a full queue.
// It is counted to the sender's cgroup.
//
// Replies of ipcmq/mux/rpc have as much again, apart from messages. A server should
// have Memory for the replies that a client awaits at once: beyond it some are kept
// and others given up, see rpc.Handle.
//
// A payload is copied twice, by either side. The first use of memory takes longer than
// that: ReceiveInto and mq.AllInto, which use theirs again, can be several times as fast
// as Receive, and a sender that is ahead of its receivers uses what they have freed.
//
// # Payloads that are missing
//
// A ticket whose payload is not there comes as a message whose Data is the ticket
// and that is Truncated; Config.Logger is told why. That happens if somebody has
// removed the shared memory, if a program has forged a ticket, if the payload is larger
// than Config.MaxPayload of the receiver, or as under Caveats.
//
// # What killed programs leave
//
// A sender that is killed takes nothing along: what is in the queue stays, with its
// payloads. What it had stored and not sent is freed by others.
//
// A receiver that is killed while it copies a payload loses nothing where the queue
// lends, one with a key: it takes the message on lease until it has the payload. The
// pool for that has to be made by the owner or the creator of the queue, or root; until
// it is, and from queues without a key, a receiver that is killed loses what it had in
// hand, as without this package. The memory of that is freed by the sender, or by other
// receivers once that has ended. Within half a minute and some seconds all is freed, as
// long as somebody uses this package; before, a payload whose ticket is not to be seen
// may be in the hands of a receiver.
//
// # Caveats
//
// System V queues only. Other systems' queues are not in reach of the memory, and into
// a POSIX queue nobody can look for the tickets that are still there, so that what
// killed programs leave could never be told from what waits.
//
// A receiver from a queue that does not lend, or a program that takes tickets by
// itself, may find a payload freed if it is stopped for half a minute at the very point
// between the queue and the memory.
//
// Where the queue lends, a message that others wait for without leases is theirs first:
// see SelectLeases in package mq/sysv.
//
// Who may read the queue may write to the payloads that wait. Those in a group that
// may read it have to be in its group, or in that of the sender. Whoever was given a
// queue by its creator, and that creator, may both read it, but only the owner the
// memory of others.
//
// A sender that was killed in another pid namespace is not known to have ended: its
// memory stays until somebody removes it (ipcrm -m).
//
// A queue beneath that truncates (Truncate of its Config) must leave 32 bytes.
//
// What is in the queue at the time of a Remove goes with it; see [Queue.Remove]. A
// program that removes the queue in another way, such as ipcrm, leaves the memory to
// the next who uses this package.
package large
