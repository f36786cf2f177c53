package cli

import (
	"context"
	"slices"
	"strconv"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

// historyLength is how many intervals a meter remembers.
const historyLength = 120

// A gauge is a queue and how it moves.
type gauge struct {
	row
	in, out float64   // messages a second: at least so many
	net     float64   // messages a second, in less out: exact
	history []float64 // fill, the newest last
}

// full reports whether nothing more fits: it is full, or someone waits for room.
func (g gauge) full() bool {
	_, senders := g.waiting()
	return g.fill() >= 0.995 || senders > 0
}

// fillsIn returns when the queue will be full at this pace; 0 if never.
func (g gauge) fillsIn() time.Duration {
	fill := g.fill()
	if g.net <= 0 || fill <= 0 || fill >= 1 || g.Messages <= 0 {
		return 0
	}
	perMessage := fill / float64(g.Messages)
	return time.Duration((1 - fill) / perMessage / g.net * float64(time.Second))
}

// A meter watches all queues. The kernel counts no messages, so the meter looks
// often: what it sees of the flow is the least that there was.
type meter struct {
	interval time.Duration
	probes   map[string]*probe // by id or name
}

// A probe watches one queue.
type probe struct {
	messages func() (int64, error)
	close    func() error

	depth   int64 // as seen last
	before  int64 // at the end of the interval before
	in, out int64 // rises and falls of the depth in this interval
	history []float64

	sent, received time.Time // last, to the second; System V
}

func newMeter(interval time.Duration) *meter {
	m := &meter{interval: interval, probes: map[string]*probe{}}
	m.refresh()
	return m
}

// close gives up the queues that the meter has open.
func (m *meter) close() {
	for _, p := range m.probes {
		p.close()
	}
}

// refresh begins to watch new queues, and closes those that are gone: the kernel
// keeps a POSIX queue for as long as someone has it open.
func (m *meter) refresh() {
	there := map[string]bool{}
	add := func(key string, open func() (*probe, error)) {
		there[key] = true
		if m.probes[key] != nil {
			return
		}
		if p, err := open(); err == nil {
			p.depth, _ = p.messages()
			p.before = p.depth
			m.probes[key] = p
		}
	}
	for s, err := range sysv.Queues() {
		if err != nil {
			break
		}
		add(strconv.Itoa(s.ID), func() (*probe, error) {
			q, err := sysv.OpenID(s.ID, &sysv.Config{Access: mq.ReadOnly})
			if err != nil {
				return nil, err
			}
			return &probe{close: q.Close, messages: func() (int64, error) {
				s, err := q.Stat()
				return s.Messages, err
			}}, nil
		})
	}
	for s, err := range posix.Queues() {
		if err != nil {
			break
		}
		add(s.Name, func() (*probe, error) {
			q, err := posix.Open(s.Name, &posix.Config{Access: mq.ReadOnly, OpenOnly: true, Blocking: true})
			if err != nil {
				return nil, err
			}
			return &probe{close: q.Close, messages: func() (int64, error) {
				a, err := q.Attr()
				return int64(a.Messages), err
			}}, nil
		})
	}
	for key, p := range m.probes {
		if !there[key] {
			p.close()
			delete(m.probes, key)
		}
	}
}

// A meter looks every millisecond, or less often if that took too much of a
// processor.
const (
	lookEvery = time.Millisecond
	lookPart  = 20 // at most one part in so many
)

// measure watches for an interval and returns what it saw, and what could not
// be listed.
func (m *meter) measure(ctx context.Context) ([]gauge, []error) {
	m.refresh()
	begun := time.Now()
	for _, p := range m.probes {
		p.in, p.out = 0, 0
	}
	for {
		looked := time.Now()
		m.look()
		left := m.interval - time.Since(begun)
		if left <= 0 {
			break
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-time.After(min(max(lookEvery, lookPart*time.Since(looked)), left)):
		}
	}
	took := time.Since(begun).Seconds()
	rows, problems := listQueues()
	wait(rows)
	gauges := make([]gauge, len(rows))
	for i, r := range rows {
		gauges[i].row = r
		key := r.address.Name
		if r.ID != nil {
			key = strconv.Itoa(*r.ID)
		}
		p := m.probes[key]
		if p == nil {
			continue // it is new, or this user may not look into it
		}
		p.noticeUse(r)
		p.history = append(p.history, r.fill())
		p.history = p.history[max(0, len(p.history)-historyLength):]
		gauges[i].in, gauges[i].out, gauges[i].net = float64(p.in)/took, float64(p.out)/took, float64(p.depth-p.before)/took
		gauges[i].history = slices.Clone(p.history)
		p.before = p.depth
	}
	return gauges, problems
}

// noticeUse counts one message where the depth showed none and the times of the
// queue tell that there was one.
func (p *probe) noticeUse(r row) {
	notice := func(n *int64, before *time.Time, now *time.Time) {
		if now == nil {
			return
		}
		if *n == 0 && !before.IsZero() && now.After(*before) {
			*n = 1
		}
		*before = *now
	}
	notice(&p.in, &p.sent, r.LastSend)
	notice(&p.out, &p.received, r.LastReceive)
}

func (m *meter) look() {
	for _, p := range m.probes {
		n, err := p.messages()
		if err != nil {
			continue // it was removed
		}
		p.in += max(n-p.depth, 0)
		p.out += max(p.depth-n, 0)
		p.depth = n
	}
}
