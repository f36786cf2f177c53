// Package pool is the shared memory of a System V queue that holds the messages
// on lease: msgrcv(2) of a process that takes one writes it directly here, so
// that it outlives the process.
//
// # The segment
//
// A pool is one System V segment under the key of its queue: a header, a table of
// owners (the processes that use it), and slots, each with room for one message.
// It is laid out in 64-bit words in the byte order of the machine, the same for
// 32-bit and 64-bit programs. It belongs to one queue, by its id; any process
// that finds the pool of a queue that is gone removes it.
//
// # A slot
//
// The state of a slot is in one word, which is changed only by compare-and-swap:
// a state, the owner, a generation and the length.
//
//	free ─► claimed ─► taking ─► lent ─► free       Ack
//	                      │        ├───► returned   Nak; due after its delay
//	                      └─► free └───► lent       to another: run out, or the owner died
//
// In claimed, its owner prepares the slot: the type is zero, and the room is
// filled with a pattern. In taking, it calls msgrcv: the kernel finishes copying
// a message even for a process that is being killed, so a nonzero type means that
// a message is here. Only its length, which msgrcv returns, may be lost. So the
// owner has looked at the message before (MSG_COPY), and noted the expected
// length; the part of the room that no longer has the pattern shows whether it is
// right. If it is not, because another receiver took that message first, the
// lease reports that the length is not certain. Two gaps remain: the page of a
// slot may be swapped out at the very moment in which its owner is killed, and a
// 32-bit process does not see a type whose lower 32 bits are zero.
//
// A stopped process may continue at any time, so no other process takes a slot to
// which its owner may still write. After claimed, an owner writes only the word
// and the times; if the slot was taken from it, the word has another owner or
// generation, and the compare-and-swap fails.
//
// # Time and death
//
// Times are CLOCK_BOOTTIME. An owner is identified by pid, start, and the
// namespaces of these numbers; it is dead only if that is proved, and if it
// cannot be, its leases last until their time is over.
//
// # Trust
//
// Whoever may use the pool can write anything into it at any time. So no index,
// length or geometry is read twice or used unchecked, and no loop depends on what
// is read. Garbage can forge and lose lent messages, but do no more.
package pool
