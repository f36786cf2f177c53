// Package store is shared memory for payloads that are too large for a System V
// queue: the payload goes into a store, and a ticket, which says where it is,
// through the queue.
//
// # Whose it is
//
// Each sender has its own store, a System V segment without a key, and each ticket
// names it. There is no memory that all share, unlike the pool of package pool for
// leases, for these reasons:
//
//   - Room is allocated by one process, with a lock in its own memory. Nothing of that
//     is shared, so a killed or stopped process cannot leave it half done, and no
//     sender takes the room of another.
//   - A sender can write to its own payloads; users who may read the queue can write to
//     all of them, just as they could take the messages. No other sender can.
//   - A user who may write to the queue but not read it sends in the same way.
//   - It needs no key, so that it works for private queues and inboxes as well, and no
//     other program's segment can be in the way.
//   - A program that sends once, in C for example, creates a segment with one payload.
//
// A private segment is found by its id, which is in the ticket; segments without
// tickets are found among all segments of the system. A file in /dev/shm would not do:
// any writer could truncate it, which kills readers.
//
// # The segment
//
// A header, a table of entries, and payloads, in 64-bit words in the byte order of the
// machine, the same for 32-bit and 64-bit programs; see layout.go. The state of an
// entry is in one word: a state, and a random number that is different each time. The
// receiver of a ticket checks that the number is there, copies the payload, checks
// again, and frees the entry by compare-and-swap. So another payload is never mistaken
// for that of the ticket, whoever wrote the ticket, and each payload is received once.
//
//	free ─► sending ─► sent ─► free       the sender has stored it, and then knows that the ticket is in the queue
//	           └──────────────► free      the receiver may be quicker
//
// The modes are those of the queue: users who may read it may read and write the store.
// The system charges the memory to the first writer, the sender.
//
// # Collecting
//
// A killed process leaves entries without a ticket: a sender, if the ticket was not in
// the queue yet; a receiver, if it had the ticket in its memory. Such an entry is found
// when its sender has no room, or when its sender has ended and some process collects.
// Collecting looks at the tickets in the queue, from the last message down, so that
// taking messages meanwhile moves none past the search, and then at those on lease in
// the pool of the queue. An entry whose ticket is in neither, and is not about to be
// sent by a living sender, is freed, but only after it has not been seen for half a
// minute: a program that receives without a lease has the ticket in its memory, where
// nobody can see it. If it is stopped for longer at that very point, it finds the
// payload gone. (Package large receives on lease if the queue lends.)
//
// An entry whose queue was removed is freed immediately. After its sender has closed it
// or has ended, a store is removed with its last entry, by the process that frees it or
// one that collects. Whether a sender in another pid namespace has ended cannot be
// known. Only the sender, the owner of the queue and root may remove a store. A process
// that is killed between creating a segment and marking it as a store leaves one that
// takes no memory, and that nobody can recognize.
//
// # Trust
//
// No index, length or offset is used unchecked or read twice, no loop depends on what
// is read, and nothing is written to a segment that is not known to be a store. A
// payload may be changed by others while it is copied: its receiver must check it, like
// any payload.
package store
