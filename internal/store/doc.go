// Package store is shared memory for payloads that are too large for a System V
// queue: the payload goes into a store, and a ticket, which says where it is,
// through the queue.
//
// # Whose it is
//
// Each sender has a store of its own, a System V segment without a key, and each
// ticket says which. There is no memory that all share, as a pool of package pool
// is for leases, and this is why:
//
//   - Room is given out by one process, with a lock in its own memory. Nothing of
//     that is shared, so nobody who is killed or stopped can leave it half done, and
//     no sender takes the room of another.
//   - Who sends can write to his own payloads, and those who may read the queue to
//     all of them, as they could take the messages too. No other sender can.
//   - Who may write to the queue and not read it sends in the same way.
//   - It needs no key, so that private queues and inboxes have it as well, and no
//     program's segment can be in the way.
//   - A program that sends once, in C for example, makes a segment with one payload.
//
// A segment that is private is found by its id, which is in the ticket; those that
// nobody has a ticket for are found among all segments of the system. A file in
// /dev/shm could be cut short by whoever writes to it, which kills who reads it.
//
// # The segment
//
// A header, a table of entries, and payloads, in words of 64 bits in the order of the
// machine, the same for programs of 32 and of 64 bits; see layout.go. All that
// decides about an entry is in one word: a state, and a number that is random and
// another one each time. Who receives a ticket checks that the number is there,
// copies the payload, checks again, and frees the entry by compare-and-swap. So a
// payload that is not that of the ticket is never taken for it, whoever wrote the
// ticket, and one is received once.
//
//	free ─► sending ─► sent ─► free       who sends has stored it, and then knows that the ticket is in the queue
//	           └──────────────► free      who receives may be quicker
//
// The modes are those of the queue: who may read that may read and write the store.
// The system counts the memory to who writes to it first, the sender.
//
// # Collecting
//
// A process that is killed leaves entries without a ticket: one that sends, before
// the ticket was in the queue; one that receives, with the ticket in its memory. Such
// an entry is found when its sender has no room, and otherwise when its sender has
// ended and somebody collects. The tickets in the queue are looked at from the last
// message down, so that what is taken meanwhile moves nothing past who looks, then
// those on lease in the pool of the queue. An entry whose ticket is in neither, and is
// not on its way from a sender that lives, is freed; but not before nobody has seen
// it for half a minute: a program that receives without a lease has it in its memory,
// where nobody can see it. If it is stopped for longer at that very point, it finds the
// payload gone. (Package large receives on lease where the queue lends.)
//
// An entry whose queue was removed is freed at once. A store is removed with its last
// entry, when its sender has closed it or has ended: by who frees that, or who
// collects. Whether a sender in another pid namespace has ended, nobody can tell. Only the sender, the owner of the queue and root may remove it. A
// process that is killed between making a segment and calling it a store leaves one
// that takes no memory, and that nobody can know.
//
// # Trust
//
// No index, length or offset is used unchecked or read twice, no loop depends on
// what is read, and nothing is written to a segment that is not known to be a store.
// What is copied may be changed by others meanwhile: that is for its receiver to
// judge, like any payload.
package store
