package large

import (
	"iter"

	"ipcmq/internal/store"
	"ipcmq/mq"
)

// A Store describes the shared memory of one sender, at the time it was read.
type Store struct {
	Segment int    // id of the System V segment
	Size    int64  // of the segment, in bytes
	UID     uint32 // of its owner

	// Sender is the process that sends from it, in its own pid namespace; 0 if
	// the process could not find out.
	Sender int

	// Forsaken reports that nothing is sent from it any more: the sender has closed
	// its handle, or has certainly ended. The store is removed with its last
	// payload.
	Forsaken bool

	Queues []Waiting // by id
}

// Waiting counts the payloads of one queue in a store.
type Waiting struct {
	Queue    int   // id
	Payloads int   // that were sent but not received, and those that are being sent
	Bytes    int64 // of them
	Gone     bool  // the queue no longer exists: nobody can receive them
}

// Stores returns an iterator over the stores of this system that the process may
// read. It changes nothing. An error comes last, and matches fs.ErrNotExist if
// /proc is not mounted, or the system has no shared memory.
//
// See /proc/sysvipc/shm in sysvipc(7), shmat(2).
func Stores() iter.Seq2[Store, error] {
	return func(yield func(Store, error) bool) {
		for s, err := range store.Stores() {
			if err != nil {
				yield(Store{}, &mq.Error{Op: "list stores", Err: err})
				return
			}
			of := Store{Segment: s.ID, Size: s.Size, UID: s.UID, Sender: s.PID, Forsaken: s.Forsaken}
			for _, k := range s.Queues {
				of.Queues = append(of.Queues, Waiting(k))
			}
			if !yield(of, nil) {
				return
			}
		}
	}
}

// Collect frees what killed programs have left, in all stores that this process may
// write to: immediately, payloads of queues that are gone; after half a minute,
// payloads whose tickets have been in no queue and on no lease. It removes empty
// stores from which nothing is sent any more. Programs that use this package do all
// that automatically from time to time.
func Collect() { store.Collect() }
