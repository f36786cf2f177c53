package large

import (
	"iter"

	"ipcmq/internal/store"
	"ipcmq/mq"
)

// A Store is the shared memory of one sender, as it is now.
type Store struct {
	Segment int    // id of the System V segment
	Size    int64  // of the segment, in bytes
	UID     uint32 // of its owner

	// Sender is the process that sends from it, in its own pid namespace; 0 if it
	// did not know itself.
	Sender int

	// Forsaken reports that nothing is sent from it any more: the sender has closed
	// its handle, or has certainly ended. It goes with its last payload.
	Forsaken bool

	Queues []Waiting // by id
}

// Waiting is the payloads of one queue in a store.
type Waiting struct {
	Queue    int   // id
	Payloads int   // that were sent and not received, and those that are being sent
	Bytes    int64 // of them
	Gone     bool  // there is no such queue any more: nobody can receive them
}

// Stores returns an iterator over the stores of this system that the process may
// read, and changes nothing. An error comes last, and matches fs.ErrNotExist if /proc is
// not mounted, or the system has no shared memory.
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
// write to: payloads of queues that are gone at once, those whose tickets are in no
// queue and on no lease when nobody has seen them for half a minute. It removes
// stores that nothing is sent from any more and that are empty. Programs that use
// this package do that by themselves from time to time.
func Collect() { store.Collect() }
