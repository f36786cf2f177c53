package store

import (
	"iter"
	"slices"

	"ipcmq/internal/procfs"
	"ipcmq/internal/sys"
)

// A Stat is what a store says about itself.
type Stat struct {
	ID       int    // of the segment
	Size     int64  // of the segment, in bytes
	UID      uint32 // of its owner
	PID      int    // of its sender, in the sender's namespace; 0 if it is not known
	Forsaken bool   // the sender has given it up, or has certainly ended
	Queues   []Kept // by id
}

// Kept is the payloads of one queue in one store.
type Kept struct {
	Queue    int   // id
	Payloads int   // sent but not received, and those that are being sent
	Bytes    int64 // of them
	Gone     bool  // the queue no longer exists
}

// Stores returns an iterator over the stores of the system that this process may
// read. An error is the last pair: segments cannot be listed.
func Stores() iter.Seq2[Stat, error] {
	return func(yield func(Stat, error) bool) {
		for s, err := range procfs.Segments(procfs.Root) {
			if err != nil {
				yield(Stat{}, err)
				return
			}
			if s.Key != 0 || s.Removed || !mayBe(s.Size) {
				continue
			}
			if stat, ok := statOf(s); ok && !yield(stat, nil) {
				return
			}
		}
	}
}

func statOf(of procfs.Segment) (Stat, bool) {
	s, errno := sys.ShmAttach(of.ID, true)
	if errno != 0 {
		return Stat{}, false
	}
	defer s.Detach()
	v, ok := look(of.ID, s)
	if !ok {
		return Stat{}, false
	}
	stat := Stat{ID: of.ID, Size: of.Size, UID: of.UID, Forsaken: v.forsaken()}
	if pid := v.head[headPID].Load(); pid < 1<<31 {
		stat.PID = int(pid)
	}
	for i := range v.count {
		e := v.entry(i)
		if queue, size := e[entryQueue].Load(), e[entryLength].Load(); word(e[entryWord].Load()).used() && queue < 1<<31 && size <= uint64(of.Size) {
			stat.add(int(queue), int64(size))
		}
	}
	return stat, true
}

func (s *Stat) add(queue int, size int64) {
	i, ok := slices.BinarySearchFunc(s.Queues, queue, func(k Kept, id int) int { return k.Queue - id })
	if !ok {
		s.Queues = slices.Insert(s.Queues, i, Kept{Queue: queue, Gone: gone(queue)})
	}
	s.Queues[i].Payloads++
	s.Queues[i].Bytes += size
}
