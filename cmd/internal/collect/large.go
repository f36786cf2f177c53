package collect

import "ipcmq/mq/large"

// Large are the payloads in shared memory whose tickets are in a System V queue.
type Large struct {
	Payloads int   `json:"payloads"`
	Bytes    int64 `json:"bytes"`
	Segments []int `json:"segments"`
}

// A Leftover is a segment with payloads of a queue that is gone.
type Leftover struct {
	Segment  int
	Owner    string
	Payloads int
	Bytes    int64
}

// addLarge adds the large payloads of the queues, as far as this user may see them.
func (l *Listing) addLarge() {
	queues := map[int]*Queue{}
	for i := range l.Queues {
		if q := &l.Queues[i]; q.Kind == SysV {
			queues[*q.ID] = q
		}
	}
	for s, err := range large.Stores() {
		if err != nil {
			return // the reason is the same as for pools, where it is reported
		}
		for _, w := range s.Queues {
			if q := queues[w.Queue]; q != nil {
				q.addLarge(s.Segment, w)
			} else if w.Gone && s.Forsaken {
				l.Leftovers = append(l.Leftovers, Leftover{s.Segment, UserName(s.UID), w.Payloads, w.Bytes})
			}
		}
	}
}

func (q *Queue) addLarge(segment int, w large.Waiting) {
	if q.Large == nil {
		q.Large = &Large{}
	}
	q.Large.Payloads += w.Payloads
	q.Large.Bytes += w.Bytes
	q.Large.Segments = append(q.Large.Segments, segment)
}
