package store

import "slices"

// A space is bytes of which runs are taken and given back: the lowest long enough
// run first, so that few pages are ever touched, and those are reused.
type space struct {
	size int
	used int   // up to where pages were ever used
	runs []run // those taken, in their order
}

type run struct{ at, size int }

// take returns where a run of n bytes was taken, or false if there is no room below
// a limit. Runs are whole pages. fresh says that some of these were never used.
func (s *space) take(n, limit int) (at int, fresh, ok bool) {
	n = roundUp(max(n, 1), page)
	i, at := s.find(n)
	if at+n > min(limit, s.size) {
		return 0, false, false
	}
	s.runs = slices.Insert(s.runs, i, run{at, n})
	fresh = at+n > s.used
	s.used = max(s.used, at+n)
	return at, fresh, true
}

// find returns the lowest place for n bytes, and where that is among runs.
func (s *space) find(n int) (i, at int) {
	for i, r := range s.runs {
		if r.at-at >= n {
			return i, at
		}
		at = r.at + r.size
	}
	return len(s.runs), at
}

// warm is how much of the space is used for payloads of n bytes before it pays to
// wait for used pages: two payloads, so that one can be written while the other is
// read, or a megabyte.
func (s *space) warm(n int) int { return max(s.used, 2*roundUp(max(n, 1), page), 1<<20) }

// give gives back the run at some place.
func (s *space) give(at int) {
	if i, ok := slices.BinarySearchFunc(s.runs, at, func(r run, at int) int { return r.at - at }); ok {
		s.runs = slices.Delete(s.runs, i, i+1)
	}
}
