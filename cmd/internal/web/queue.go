package web

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"time"

	"ipcmq/cmd/internal/collect"
	"ipcmq/internal/address"
	"ipcmq/internal/visible"
	"ipcmq/mq"
	"ipcmq/mq/sysv"
)

// A description is all that is known about one queue.
type description struct {
	Host     string    `json:"host"`
	Time     time.Time `json:"time"`
	Step     float64   `json:"step"`
	Row      row       `json:"row"`
	Key      string    `json:"key,omitempty"`
	Owner    string    `json:"owner"`             // with the ids of user and group
	Creator  string    `json:"creator,omitempty"` // System V
	Sequence *uint32   `json:"sequence,omitempty"`
	Largest  int64     `json:"largest,omitempty"` // bytes of a message; POSIX

	Sender   *user     `json:"sender,omitempty"` // the last
	Receiver *user     `json:"receiver,omitempty"`
	Changed  time.Time `json:"changed"`
	Notify   string    `json:"notify,omitempty"` // who will be notified of a message
	Waiting  []waiter  `json:"waiting"`
	Lent     *leases   `json:"lent,omitempty"`
	Large    *large    `json:"large,omitempty"` // payloads in shared memory
	Inboxes  []row     `json:"inboxes"`         // of processes that use it
	Problem  string    `json:"problem,omitempty"`
}

type user struct {
	Process string    `json:"process"`
	At      time.Time `json:"at"`
}

type waiter struct {
	Process  string `json:"process"`
	Receives bool   `json:"receives"`
}

// large are the payloads in shared memory whose tickets are in the queue.
type large struct {
	Payloads int   `json:"payloads"`
	Bytes    int64 `json:"bytes"`
}

// leases are the leases of a queue.
type leases struct {
	Problem  string   `json:"problem,omitempty"` // why they are not known
	Held     int      `json:"held"`
	Dead     int      `json:"dead"`
	Returned int      `json:"returned"`
	Due      int      `json:"due"`
	Slots    int      `json:"slots"`
	Free     int      `json:"free"`
	Bytes    int64    `json:"bytes"`
	Holders  []holder `json:"holders"` // the first of them
	More     int      `json:"more"`    // holders
}

type holder struct {
	Process  string     `json:"process"`
	Gone     bool       `json:"gone"`
	Messages int        `json:"messages"`
	Since    *time.Time `json:"since,omitempty"`
	Until    *time.Time `json:"until,omitempty"`
}

// mostNamed is how many holders, waiting processes and inboxes a page names.
const mostNamed = 100

// find returns the row of the queue at an address, or nil.
func (seen *snapshot) find(a address.Address) *row {
	text := a.String()
	if i, ok := seen.byID[text]; ok {
		return &seen.rows[i]
	}
	for i := range seen.rows {
		if seen.rows[i].Address == text {
			return &seen.rows[i]
		}
	}
	return nil
}

func (s *Server) describe(seen *snapshot, r *row) description {
	g := r.gauge
	d := description{
		Host: visible.Line(s.host), Time: seen.at, Step: s.config.Interval.Seconds(), Row: r.withHistory(), Key: g.Key, Changed: g.Changed,
		Owner: visible.Line(fmt.Sprintf("%s (%d:%d)", g.Owner, g.UID, g.GID)), Largest: g.MaxMessageSize,
		Sender: userOf(g.LastSender, g.LastSend), Receiver: userOf(g.LastReceiver, g.LastReceive), Waiting: []waiter{}, Inboxes: []row{},
	}
	if g.NotifyPID != 0 {
		d.Notify = visible.Line(collect.UserAt(g.NotifyPID, seen.at).String())
	}
	for _, w := range g.Waiting[:min(len(g.Waiting), mostNamed)] {
		d.Waiting = append(d.Waiting, waiter{visible.Line(w.Process.String()), w.Receives})
	}
	if l := g.Leases; l != nil {
		d.Lent = s.leases(l)
	}
	if l := g.Large; l != nil {
		d.Large = &large{l.Payloads, l.Bytes}
	}
	d.Inboxes = seen.inboxesOf(r)
	if g.ID != nil {
		if err := d.addCreator(*g.ID); err != nil {
			d.Problem = visible.Line(s.config.Explain(err))
		}
	}
	return d
}

func userOf(p *collect.Process, at *time.Time) *user {
	if p == nil || at == nil {
		return nil
	}
	return &user{visible.Line(p.String()), *at}
}

func (s *Server) leases(l *collect.Leases) *leases {
	all := &leases{Held: l.Held, Dead: l.Dead, Returned: l.Returned, Due: l.Due, Slots: l.Slots, Free: l.Free, Bytes: l.Bytes, Holders: []holder{}}
	if l.Problem != nil {
		all.Problem = visible.Line(s.config.Explain(l.Problem))
	}
	shown := min(len(l.Holders), mostNamed)
	all.More = len(l.Holders) - shown
	for _, h := range l.Holders[:shown] {
		all.Holders = append(all.Holders, holder{visible.Line(h.String()), h.Gone, h.Messages, h.Since, h.Until})
	}
	return all
}

// addCreator adds the creator, which is not in a listing.
func (d *description) addCreator(id int) error {
	q, err := sysv.OpenID(id, &sysv.Config{Access: mq.ReadOnly})
	if err != nil {
		return err
	}
	defer q.Close()
	stat, err := q.Stat()
	if err != nil {
		return err
	}
	d.Creator = visible.Line(fmt.Sprintf("%s (%d:%d)", collect.UserName(stat.CUID), stat.CUID, stat.CGID))
	d.Sequence = &stat.Seq
	return nil
}

// inboxesOf returns the inboxes used by living processes that also use r: the kernel
// does not record to which queue the requests of an inbox went.
func (seen *snapshot) inboxesOf(r *row) []row {
	found := []row{}
	if r.Inbox != "" {
		return found
	}
	users := pidsOf(r.gauge.Queue)
	for i := range seen.rows {
		in := &seen.rows[i]
		if in.Inbox == "" || !slices.ContainsFunc(pidsOf(in.gauge.Queue), func(pid int) bool { return slices.Contains(users, pid) }) {
			continue
		}
		if found = append(found, in.withHistory()); len(found) == mostNamed {
			break
		}
	}
	return found
}

// pidsOf returns the living processes that visibly use a queue.
func pidsOf(q collect.Queue) (pids []int) {
	for _, p := range []*collect.Process{q.LastSender, q.LastReceiver} {
		if p != nil && p.PID != 0 && !p.Gone {
			pids = append(pids, p.PID)
		}
	}
	for _, w := range q.Waiting {
		pids = append(pids, w.PID)
	}
	return pids
}

// queue sends what is known about one queue, until it is gone.
func (s *Server) queue(w http.ResponseWriter, r *http.Request) {
	a, err := address.Parse(r.URL.Query().Get("at"))
	if err != nil {
		refuse(w, http.StatusBadRequest, visible.Line(err.Error()))
		return
	}
	shown := "" // the id of the queue that was shown before
	s.stream(w, r, func(seen *snapshot) (string, any, bool) {
		found := seen.find(a)
		switch {
		case found != nil && cmp.Or(shown, found.ID) == found.ID:
			shown = found.ID
			return "queue", s.describe(seen, found), true
		case found != nil:
			return "gone", problem{"this queue is gone, and another one was created at its address"}, false
		case shown != "":
			return "gone", problem{"this queue is gone: somebody has removed it"}, false
		case len(seen.problems) > 0:
			return "gone", problem{"this queue cannot be seen: " + seen.problems[0]}, false
		}
		return "gone", problem{"there is no such queue"}, false
	})
}

// badRequest is a mistake in a request.
type badRequest struct{ error }

// statusOf returns the HTTP status for an error.
func statusOf(err error) int {
	var bad badRequest
	switch {
	case errors.As(err, &bad):
		return http.StatusBadRequest
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, mq.ErrRemoved):
		return http.StatusNotFound
	case errors.Is(err, fs.ErrPermission):
		return http.StatusForbidden
	case errors.Is(err, mq.ErrEmpty):
		return http.StatusGone
	case errors.Is(err, errors.ErrUnsupported):
		return http.StatusNotImplemented
	}
	return http.StatusInternalServerError
}
