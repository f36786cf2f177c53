package web

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"ipcmq/cmd/internal/collect"
	"ipcmq/internal/visible"
)

// A view holds the queues that a page shows.
type view struct {
	Host     string    `json:"host"`
	Time     time.Time `json:"time"`
	Step     float64   `json:"step"` // seconds between two values of a history
	SysV     int       `json:"sysv"`
	Posix    int       `json:"posix"`
	Inboxes  int       `json:"inboxes"` // of both
	Full     int       `json:"full"`
	Filling  int       `json:"filling"`
	Urgent   *row      `json:"urgent,omitempty"` // the most urgent that is full or fills
	Chosen   int       `json:"chosen"`           // queues that match
	Rows     []row     `json:"rows"`             // of these
	Problems []string  `json:"problems,omitempty"`
	Findings []Finding `json:"findings"` // nil: not known yet
}

// A row is what the page shows about a queue. Texts are as written by visible.Line.
type row struct {
	ID       string `json:"id"`      // id:7, or the name
	Address  string `json:"address"` // as commands take it
	Kind     string `json:"kind"`
	Owner    string `json:"owner"`
	Mode     string `json:"mode"`
	Inbox    string `json:"inbox,omitempty"` // of an inbox: living, ended or unknown
	Messages int64  `json:"messages"`        // -1 if not known, as in the following fields
	Bytes    int64  `json:"bytes"`
	Capacity int64  `json:"capacity"`
	Most     int64  `json:"most,omitempty"` // messages; POSIX

	Fill    float64 `json:"fill"`   // 0 to 1
	Full    bool    `json:"full"`   // nothing more fits, or somebody waits for room
	FullIn  float64 `json:"fullIn"` // seconds, at the recent rate; 0 if it does not fill
	EmptyIn float64 `json:"emptyIn"`
	In      float64 `json:"in"` // messages per second, at least
	Out     float64 `json:"out"`
	Net     float64 `json:"net"`
	History []int   `json:"history"` // percent, the newest last

	Used      *time.Time `json:"used,omitempty"` // last sent to or received from or, for POSIX, created
	Receivers int        `json:"receivers"`      // waiting
	Senders   int        `json:"senders"`
	Who       string     `json:"who,omitempty"` // the first of them
	Lent      int        `json:"lent"`
	Due       int        `json:"due"`
	Dead      int        `json:"dead"`

	gauge *collect.Gauge
}

// newRow returns the row of a gauge, without its history; step is the interval of the
// history.
func newRow(g *collect.Gauge, step time.Duration, slow *slowly) row {
	r := row{
		ID: idOf(g.Queue), Address: g.Address, Kind: g.Kind, Owner: visible.Line(g.Owner), Mode: g.Mode, Inbox: slow.inbox(g.Queue),
		Messages: g.Messages, Bytes: g.Bytes, Capacity: g.Capacity, Most: g.MaxMessages,
		Fill: g.Fill(), Full: g.Full(), In: g.In, Out: g.Out, Net: g.Net, Used: lastUse(g.Queue),
		Lent: g.Leases.Messages(), gauge: g,
	}
	if !r.Full {
		full, empty := forecast(g.History)
		r.FullIn, r.EmptyIn = full*step.Seconds(), empty*step.Seconds()
	}
	r.Receivers, r.Senders = g.CountWaiting()
	if len(g.Waiting) > 0 {
		r.Who = visible.Line(g.Waiting[0].Process.String())
	}
	if g.Leases != nil {
		r.Due, r.Dead = g.Leases.Due, g.Leases.Dead
	}
	return r
}

// withHistory returns the row with the history.
func (r row) withHistory() row {
	r.History = make([]int, len(r.gauge.History))
	for i, fill := range r.gauge.History {
		r.History[i] = int(math.Round(100 * fill))
	}
	return r
}

// inbox returns what is known about the process of an inbox, or "" if q is not one.
func (s *slowly) inbox(q collect.Queue) string {
	switch {
	case !q.Inbox:
		return ""
	case s == nil || s.unknown[idOf(q)]:
		return "unknown"
	case s.dead[idOf(q)]:
		return "ended"
	}
	return "living"
}

func lastUse(q collect.Queue) *time.Time {
	if q.Kind == collect.Posix {
		return &q.Changed
	}
	if q.LastSend == nil || q.LastReceive != nil && q.LastReceive.After(*q.LastSend) {
		return q.LastReceive
	}
	return q.LastSend
}

// Orders of queues.
var orders = map[string]func(a, b *row) int{
	"urgency": byUrgency,
	"name":    func(_, _ *row) int { return 0 }, // in the order of the listing
	"fill":    func(a, b *row) int { return cmp.Compare(b.Fill, a.Fill) },
	"messages": func(a, b *row) int {
		return cmp.Compare(b.Messages, a.Messages)
	},
	"rate": func(a, b *row) int { return cmp.Compare(b.In+b.Out, a.In+a.Out) },
}

// byUrgency orders full queues first, then those that will be full soonest, then the
// fullest.
func byUrgency(a, b *row) int {
	return cmp.Or(
		-compareBool(a.Full, b.Full),
		-compareBool(a.FullIn > 0, b.FullIn > 0),
		cmp.Compare(a.FullIn, b.FullIn),
		cmp.Compare(b.Fill, a.Fill),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// A choice selects the queues that a page shows.
type choice struct {
	sort, filter, kind string
	count              int
}

const (
	someRows = 100
	mostRows = 1000
)

func choiceOf(q url.Values) (c choice, err error) {
	c = choice{sort: cmp.Or(q.Get("sort"), "urgency"), filter: q.Get("filter"), kind: q.Get("kind"), count: someRows}
	if orders[c.sort] == nil {
		return c, fmt.Errorf("sort must be urgency, name, fill, messages or rate, not %.20q", c.sort)
	}
	if !slices.Contains([]string{"", collect.SysV, collect.Posix, "inbox"}, c.kind) {
		return c, fmt.Errorf("kind must be sysv, posix or inbox, not %.20q", c.kind)
	}
	if text := q.Get("count"); text != "" {
		if c.count, err = strconv.Atoi(text); err != nil || c.count < 1 || c.count > mostRows {
			return c, fmt.Errorf("count must be 1 to %d, not %.20q", mostRows, text)
		}
	}
	return c, nil
}

func (c choice) has(q collect.Queue) bool {
	return (c.kind == "" || c.kind == q.Kind || c.kind == "inbox" && q.Inbox) && q.Has(c.filter)
}

// view creates a view of a snapshot.
func (s *Server) view(seen *snapshot, c choice) view {
	v := view{Host: visible.Line(s.host), Time: seen.at, Step: s.config.Interval.Seconds(), Rows: []row{}, Problems: seen.problems}
	if seen.slow != nil {
		v.Findings = seen.slow.findings
	}
	urgent := -1
	for i := range seen.rows {
		r := &seen.rows[i]
		if r.Kind == collect.SysV {
			v.SysV++
		} else {
			v.Posix++
		}
		if r.Inbox != "" {
			v.Inboxes++
		}
		switch {
		case r.Full:
			v.Full++
		case r.FullIn > 0:
			v.Filling++
		}
		if (r.Full || r.FullIn > 0) && (urgent < 0 || byUrgency(r, &seen.rows[urgent]) < 0) {
			urgent = i
		}
		if c.has(r.gauge.Queue) {
			v.Rows = append(v.Rows, *r)
		}
	}
	if urgent >= 0 {
		r := seen.rows[urgent].withHistory()
		v.Urgent = &r
	}
	v.Chosen = len(v.Rows)
	order := orders[c.sort]
	slices.SortStableFunc(v.Rows, func(a, b row) int { return order(&a, &b) })
	v.Rows = v.Rows[:min(len(v.Rows), c.count)]
	for i, r := range v.Rows {
		v.Rows[i] = r.withHistory()
	}
	return v
}

// queues sends the views of a page.
func (s *Server) queues(w http.ResponseWriter, r *http.Request) {
	c, err := choiceOf(r.URL.Query())
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	s.stream(w, r, func(seen *snapshot) (string, any, bool) { return "queues", s.view(seen, c), true })
}
