package cli

import (
	"cmp"
	"slices"

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

// next returns the element after now, or the first.
func next(all []string, now string) string { return all[(slices.Index(all, now)+1)%len(all)] }

// A choice selects the queues that top shows, and their order.
type choice struct{ order, filter string }

// of returns the chosen queues, the fullest or busiest first; equal ones, and all
// when sorted by name, in the order of ls.
func (c choice) of(gauges []collect.Gauge) []collect.Gauge {
	chosen := slices.DeleteFunc(slices.Clone(gauges), func(g collect.Gauge) bool { return !g.Has(c.filter) })
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
