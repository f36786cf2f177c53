package store

import "slices"

// A space is bytes of which runs are taken and given back: the lowest that is long
// enough first, so that few pages are ever touched, and the same again and again.
type space struct {
	size int
	runs []run // those taken, in their order
}

type run struct{ at, size int }

// take returns where a run of n bytes was taken, or false if there is no room.
// Runs are whole pages.
func (s *space) take(n int) (at int, ok bool) {
	n = roundUp(max(n, 1), page)
	i, at, ok := s.find(n)
	if ok {
		s.runs = slices.Insert(s.runs, i, run{at, n})
	}
	return at, ok
}

// find returns where take would take n bytes, and the place of that in runs.
func (s *space) find(n int) (i, at int, ok bool) {
	for i, r := range s.runs {
		if r.at-at >= n {
			return i, at, true
		}
		at = r.at + r.size
	}
	return len(s.runs), at, s.size-at >= n
}

// give gives back the run at some place.
func (s *space) give(at int) {
	if i, ok := slices.BinarySearchFunc(s.runs, at, func(r run, at int) int { return r.at - at }); ok {
		s.runs = slices.Delete(s.runs, i, i+1)
	}
}
