// Package pool is shared memory beside a System V queue, in which the messages
// are that processes have on lease: msgrcv(2) of a process that takes one writes
// it straight here, so that it outlives the process.
//
// # The segment
//
// A pool is one System V segment under the key of its queue: a header, a table
// of owners (the processes that use it), and slots, each with room for one
// message. It is laid out in words of 64 bits in the order of the machine, the
// same for programs of 32 and of 64 bits. It belongs to one queue, by its id;
// the pool of a queue that is gone is removed by whoever finds it.
//
// # A slot
//
// All that decides about a slot is in one word, which is changed by
// compare-and-swap alone: a state, the owner, a generation and the length.
//
//	free ─► claimed ─► taking ─► lent ─► free       Ack
//	                      │        ├───► returned   Nak; due after its delay
//	                      └─► free └───► lent       to another: run out, or the owner died
//
// In claimed, its owner makes the slot ready: the type is zero, and the room is
// filled with a pattern. In taking, it calls msgrcv: the kernel finishes to copy
// a message even for a process that is being killed, so a type that is not zero
// says that a message is here. Only its length, which msgrcv returns, may be
// lost. So the owner has looked at the message before (MSG_COPY), and noted the
// length to expect; what of the room is not the pattern any more tells whether
// that is right. If it is not, since another receiver took that message first,
// the lease says that the length is not certain. Two gaps are left: the page of a
// slot may be swapped out in the very moment in which its owner is killed, and a
// process of 32 bits does not see a type whose lower 32 bits are zero.
//
// A process that is stopped may go on whenever it likes, so nobody else takes a
// slot that its owner may still write to. After claimed, an owner writes nothing
// but the word and the times; the word of a slot that was taken from it has
// another owner or generation, and the compare-and-swap fails.
//
// # Time and death
//
// Times are CLOCK_BOOTTIME. An owner is known by pid, start, and the namespaces
// in which these are meant; it is dead if that is proved, and where it cannot be,
// the time of the lease decides.
//
// # Trust
//
// Whoever may use the pool can write anything into it at any time. So no index,
// length or geometry is read twice or used unchecked, and no loop depends on
// what is read. Garbage can forge and lose what is lent, and do no more.
package pool
