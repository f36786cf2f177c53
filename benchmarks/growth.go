package main

import (
	"context"
	"fmt"
	"os"
)

// A curve shows how a cost grows with x.
type curve struct {
	name   string // of -run, and of the picture
	title  string
	axis   string // what x is
	unit   string // of x, in a sentence
	of     string // what is timed, such as a message
	note   string // an explanation that holds on every machine
	points []int  // of x
	count  int    // timed messages
	each   int    // untimed messages before, for each of x, so that all take part
	rate   bool   // draw the number per second instead of the time of one
	linear bool   // draw x instead of its logarithm
	lines  []line // the others are compared with the first
}

// A line is one way to do the work of a curve.
type line struct {
	name    string
	backend backend

	// workers returns the processes for x; the first is timed. Each starts with a
	// copy of t.
	workers func(x int, t task) []worker

	// backlog, if not nil, is how many messages of type 2 are in the queue before
	// all others. They are empty: by default 16384 of them fit into a queue.
	backlog func(x int) int
}

// A growth is the measurement of a curve.
type growth struct {
	Name, Title, Axis, Unit, Of, Note string

	Rate, Linear bool
	Lines        []grown
}

// A grown is the measurement of a line.
type grown struct {
	Name   string
	Points []point
}

// A point is the measurement of a line at one x: medians of all rounds.
type point struct {
	X       int
	NS      spread  // nanoseconds for each
	Speed   spread  // time of the first line / time of this one, in each round
	P50     *spread `json:",omitempty"` // nanoseconds from the call to the return of half of the calls
	Threads int     `json:",omitempty"` // of the waiting or calling process, in Go
}

func growthName(c curve) string { return "growth/" + c.name }

// grow measures a curve: at each point all lines in turn, several times.
func (b *bench) grow(ctx context.Context, c curve) (growth, error) {
	g := growth{
		Name: c.name, Title: c.title, Axis: c.axis, Unit: c.unit, Of: c.of, Note: c.note,
		Rate: c.rate, Linear: c.linear, Lines: make([]grown, len(c.lines)),
	}
	points := c.points
	if b.quick {
		points = []int{points[0], points[len(points)-1]}
	}
	for _, x := range points {
		tallies := make([][]tally, len(c.lines))
		for range b.rounds {
			for i, l := range c.lines {
				t, err := b.work(ctx, l, x, b.task(c, x))
				if err != nil {
					return growth{}, fmt.Errorf("%s: %s at %d: %w", growthName(c), l.name, x, err)
				}
				tallies[i] = append(tallies[i], t)
			}
		}
		for i, l := range c.lines {
			g.Lines[i].Name = l.name
			g.Lines[i].Points = append(g.Lines[i].Points, newPoint(x, tallies[0], tallies[i]))
		}
	}
	return g, nil
}

// newPoint returns the result of the rounds at x, compared with the first line.
func newPoint(x int, first, rounds []tally) point {
	var ns, p50, speed []float64
	p := point{X: x}
	for i, t := range rounds {
		ns, p50 = append(ns, t.perMessage), append(p50, float64(t.P50))
		speed = append(speed, first[i].perMessage/t.perMessage)
		p.Threads = max(p.Threads, t.Threads)
	}
	p.NS, p.Speed = spreadOf(ns), spreadOf(speed)
	if s := spreadOf(p50); s.Max > 0 {
		p.P50 = &s
	}
	return p
}

// task returns what the workers of a curve at x have in common.
func (b *bench) task(c curve, x int) task {
	t := task{Size: 64, Count: c.count, Types: 1, Threads: 1}
	if b.quick {
		t.Count = 64
	}
	t.Warm = max(t.Count/10, c.each*x, 1)
	return t
}

// growAll measures curves, and reports its progress on standard error.
func (b *bench) growAll(ctx context.Context, curves []curve) ([]growth, error) {
	var all []growth
	for i, c := range curves {
		fmt.Fprintf(os.Stderr, "%d/%d %s\n", i+1, len(curves), growthName(c))
		g, err := b.grow(ctx, c)
		if err != nil {
			return nil, err
		}
		all = append(all, g)
	}
	return all, nil
}

// first and last return the points at the ends.
func (l grown) first() point { return l.Points[0] }
func (l grown) last() point  { return l.Points[len(l.Points)-1] }

// speeds returns the minimum and maximum of the median speeds.
func (l grown) speeds() (least, most float64) {
	least, most = l.first().Speed.Median, l.first().Speed.Median
	for _, p := range l.Points {
		least, most = min(least, p.Speed.Median), max(most, p.Speed.Median)
	}
	return least, most
}
