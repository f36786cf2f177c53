package cli

import (
	"cmp"
	"slices"
	"strings"

	"ipcmq/cmd/internal/collect"
)

// Orders in which top shows queues.
const (
	byName     = "name"
	byFill     = "fill"
	byMessages = "messages"
	byRate     = "rate"
)

var orders = []string{byName, byFill, byMessages, byRate}

// next returns what stands behind now, or the first.
func next(all []string, now string) string { return all[(slices.Index(all, now)+1)%len(all)] }

// A choice is which queues top shows, and in which order.
type choice struct{ order, filter string }

// of returns the queues that are chosen, the fullest or busiest first; of equals,
// and by name, in the order of ls.
func (c choice) of(gauges []collect.Gauge) []collect.Gauge {
	chosen := slices.DeleteFunc(slices.Clone(gauges), func(g collect.Gauge) bool { return !c.has(g.Queue) })
	by := map[string]func(collect.Gauge) float64{
		byFill:     collect.Gauge.Fill,
		byMessages: func(g collect.Gauge) float64 { return float64(g.Messages) },
		byRate:     func(g collect.Gauge) float64 { return g.In + g.Out },
	}[c.order]
	if by != nil {
		slices.SortStableFunc(chosen, func(x, y collect.Gauge) int { return cmp.Compare(by(y), by(x)) })
	}
	return chosen
}

// has reports whether a queue has the filter in its address, its owner, or a process
// that uses it, waits at it or has messages of it.
func (c choice) has(q collect.Queue) bool {
	in := func(text string) bool { return strings.Contains(strings.ToLower(text), strings.ToLower(c.filter)) }
	if c.filter == "" || in(q.Address) || in(q.Owner) {
		return true
	}
	for _, p := range []*collect.Process{q.LastSender, q.LastReceiver} {
		if p != nil && in(p.Command) {
			return true
		}
	}
	if q.Leases != nil && slices.ContainsFunc(q.Leases.Holders, func(h collect.Holder) bool { return in(h.Command) }) {
		return true
	}
	return slices.ContainsFunc(q.Waiting, func(w collect.Waiter) bool { return in(w.Command) })
}
