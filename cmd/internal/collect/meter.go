package collect

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

// A Gauge is a queue and how it moves.
type Gauge struct {
	Queue
	In, Out float64   // messages per second, at least
	Net     float64   // messages per second, in minus out, exact
	History []float64 // fill, the newest last
}

// Full reports whether nothing more fits: it is full, or someone waits for room.
func (g Gauge) Full() bool {
	_, senders := g.CountWaiting()
	return g.Fill() >= 0.995 || senders > 0
}

// FillsIn returns when the queue will be full at the current rate, or 0 for never.
func (g Gauge) FillsIn() time.Duration {
	fill := g.Fill()
	if g.Net <= 0 || fill <= 0 || fill >= 1 || g.Messages <= 0 {
		return 0
	}
	perMessage := fill / float64(g.Messages)
	return time.Duration((1 - fill) / perMessage / g.Net * float64(time.Second))
}

// A Meter watches all queues. The kernel does not count messages, so the meter looks
// often; the flow that it sees is a lower bound. It must not be used by several
// goroutines at once.
type Meter struct {
	Interval time.Duration // between two measurements

	probes map[string]*probe // by id or name
	last   time.Time         // of the last look at the probes
}

// A probe watches one queue.
type probe struct {
	messages func() (int64, error)
	close    func() error

	depth   int64 // as last seen
	before  int64 // at the end of the previous interval
	in, out int64 // rises and falls of the depth in this interval
	history []float64

	sent, received time.Time // the last times, to the second; System V
}

// NewMeter returns a meter that has looked once. The caller must close it.
func NewMeter(interval time.Duration) *Meter {
	m := &Meter{Interval: interval, probes: map[string]*probe{}}
	m.refresh(List().Queues)
	m.last = time.Now()
	return m
}

// Close closes the queues that the meter has open.
func (m *Meter) Close() {
	for _, p := range m.probes {
		p.close()
	}
}

// refresh starts to watch new queues, and closes those that are gone: the kernel
// keeps a POSIX queue as long as somebody has it open.
func (m *Meter) refresh(queues []Queue) {
	there := map[string]bool{}
	for _, q := range queues {
		key := q.probeKey()
		there[key] = true
		if m.probes[key] != nil {
			continue
		}
		p, err := openProbe(q)
		if err != nil {
			continue
		}
		p.depth, _ = p.messages()
		p.before = p.depth
		m.probes[key] = p
	}
	for key, p := range m.probes {
		if !there[key] {
			p.close()
			delete(m.probes, key)
		}
	}
}

// probeKey is the id or the name of q: a key may later belong to another queue.
func (q Queue) probeKey() string {
	if q.Kind == SysV {
		return strconv.Itoa(*q.ID)
	}
	return q.Where.Name
}

func openProbe(q Queue) (*probe, error) {
	if q.Kind == SysV {
		opened, err := sysv.OpenID(*q.ID, &sysv.Config{Access: mq.ReadOnly})
		if err != nil {
			return nil, err
		}
		return &probe{close: opened.Close, messages: func() (int64, error) {
			s, err := opened.Stat()
			return s.Messages, err
		}}, nil
	}
	opened, err := posix.Open(q.Where.Name, &posix.Config{Access: mq.ReadOnly, OpenOnly: true, Blocking: true})
	if err != nil {
		return nil, err
	}
	return &probe{close: opened.Close, messages: func() (int64, error) {
		a, err := opened.Attr()
		return int64(a.Messages), err
	}}, nil
}

// A meter looks every millisecond, or less often if that would use too much of a
// processor.
const (
	lookEvery = time.Millisecond
	lookPart  = 20 // at most one 20th of a processor
)

// Measure watches for an interval and returns what it saw, and why something could
// not be listed.
func (m *Meter) Measure(ctx context.Context) ([]Gauge, []error) {
	begun := time.Now()
	for _, p := range m.probes {
		p.in, p.out = 0, 0
	}
	for {
		looked := time.Now()
		m.look()
		left := m.Interval - time.Since(begun)
		if left <= 0 {
			break
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-time.After(min(max(lookEvery, lookPart*time.Since(looked)), left)):
		}
	}
	now := time.Now()
	took := now.Sub(m.last).Seconds() // includes the time between two measurements
	m.last = now
	l := List()
	_, _ = Wait(l.Queues) // if it fails, no process is shown
	gauges := make([]Gauge, len(l.Queues))
	for i, q := range l.Queues {
		g := &gauges[i]
		g.Queue = q
		p := m.probes[q.probeKey()]
		if p == nil {
			continue // it is new, or this user may not read it
		}
		p.noticeUse(q)
		p.history = append(p.history, q.Fill())
		p.history = p.history[max(0, len(p.history)-historyLength):]
		g.In, g.Out, g.Net = float64(p.in)/took, float64(p.out)/took, float64(p.depth-p.before)/took
		g.History = slices.Clone(p.history)
		p.before = p.depth
	}
	m.refresh(l.Queues)
	return gauges, l.Problems()
}

// noticeUse counts one message if the depth showed none but the times of the queue
// show that there was one.
func (p *probe) noticeUse(q Queue) {
	notice := func(n *int64, before *time.Time, now *time.Time) {
		if now == nil {
			return
		}
		if *n == 0 && !before.IsZero() && now.After(*before) {
			*n = 1
		}
		*before = *now
	}
	notice(&p.in, &p.sent, q.LastSend)
	notice(&p.out, &p.received, q.LastReceive)
}

func (m *Meter) look() {
	for _, p := range m.probes {
		n, err := p.messages()
		if err != nil {
			continue // the queue was removed
		}
		p.in += max(n-p.depth, 0)
		p.out += max(p.depth-n, 0)
		p.depth = n
	}
}
