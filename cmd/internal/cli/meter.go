package cli

import (
	"context"
	"strconv"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/posix"
	"ipcmq/mq/sysv"
)

// samples is how often a meter looks at the queues in an interval.
const samples = 50

// historyLength is how many intervals a meter remembers.
const historyLength = 120

// A gauge is a queue and how it moves.
type gauge struct {
	row
	in, out float64   // messages a second: at least so many
	net     float64   // messages a second, in less out: exact
	history []float64 // fill, the newest last
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
	depth    map[string]int64 // by id or name, as seen last
	ins      map[string]int64 // rises and falls of the depth in this interval
	outs     map[string]int64
	before   map[string]int64 // depth at the end of the interval before
	history  map[string][]float64
}

func newMeter(interval time.Duration) *meter {
	return &meter{interval: interval, depth: depths(), before: depths(), history: map[string][]float64{}}
}

// depths returns how many messages wait in each queue.
func depths() map[string]int64 {
	d := map[string]int64{}
	for s, err := range sysv.Queues() {
		if err != nil {
			break
		}
		d[strconv.Itoa(s.ID)] = s.Messages
	}
	for s, err := range posix.Queues() {
		if err != nil {
			break
		}
		q, err := posix.Open(s.Name, &posix.Config{Access: mq.ReadOnly, OpenOnly: true, Blocking: true})
		if err != nil {
			continue
		}
		if a, err := q.Attr(); err == nil {
			d[s.Name] = int64(a.Messages)
		}
		q.Close()
	}
	return d
}

// measure watches for an interval and returns what it saw.
func (m *meter) measure(ctx context.Context) ([]gauge, []error) {
	begun := time.Now()
	m.ins, m.outs = map[string]int64{}, map[string]int64{}
	pause := m.interval / samples
	for time.Since(begun) < m.interval {
		looked := time.Now()
		m.look()
		cost := time.Since(looked)
		select {
		case <-ctx.Done():
			return nil, nil
		case <-time.After(min(max(pause, 4*cost), m.interval-time.Since(begun))):
		}
	}
	m.look()
	rows, problems := listQueues()
	wait(rows)
	took := time.Since(begun).Seconds()
	gauges := make([]gauge, len(rows))
	history := make(map[string][]float64, len(rows)) // forgets queues that are gone
	for i, r := range rows {
		key := r.Address
		if r.ID != nil {
			key = strconv.Itoa(*r.ID)
		}
		past := append(m.history[key], r.fill())
		history[key] = past[max(0, len(past)-historyLength):]
		gauges[i] = gauge{row: r, in: float64(m.ins[key]) / took, out: float64(m.outs[key]) / took, history: history[key]}
		if before, ok := m.before[key]; ok {
			gauges[i].net = float64(m.depth[key]-before) / took
		}
	}
	m.history, m.before = history, m.depth
	return gauges, problems
}

func (m *meter) look() {
	now := depths()
	for key, n := range now {
		switch d := n - m.depth[key]; {
		case d > 0:
			m.ins[key] += d
		case d < 0:
			m.outs[key] -= d
		}
	}
	m.depth = now
}
