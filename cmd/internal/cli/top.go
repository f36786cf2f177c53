package cli

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"ipcmq/cmd/internal/collect"
)

func topCommand() *cobra.Command {
	interval, times, asJSON := time.Second, 0, false
	filter := ""
	c := &cobra.Command{
		Use:   "top [flags]",
		Short: "Watch all queues live",
		Long: `Top shows how full each queue is, how that has changed, who waits at it, and when
it will be full at the current rate. Keys: q quits, s sorts, / filters, the arrows
scroll, ? explains keys and columns. If standard input or output is not a terminal, or
TERM is empty or dumb, it writes a line for each queue and interval, or with --json an
object for each interval. If some queues cannot be seen, the exit status is 1.

The kernel does not count messages. Top looks at each queue a thousand times a second
and adds up the messages that it sees come and go: the rates are at least what is shown,
and their difference is exact. Top shows waiting processes only if this user may trace
them and they do not wait in a poller.`,
		Example: `  ipcmq top
  ipcmq top --interval 5s >> queues.log
  ipcmq top --sort fill --filter php
  ipcmq top -n 1`,
		Args: cobra.NoArgs,
	}
	c.Flags().DurationVar(&interval, "interval", interval, "how often to show")
	c.Flags().IntVarP(&times, "count", "n", 0, "end after this many intervals (default: never)")
	order := choiceFlag(c, "sort", byName, "which queues first: by name, or the fullest, longest or busiest", orders...)
	c.Flags().StringVar(&filter, "filter", "", "show only queues with this text in their address, owner or processes")
	c.Flags().BoolVar(&asJSON, "json", false, "write a line for each interval: time, queues with rates, problems")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if interval < 100*time.Millisecond {
			return usagef("--interval %v: it must be 100ms or more", interval)
		}
		if times < 0 || times == 0 && c.Flags().Changed("count") {
			return usagef("-n %d: it must be 1 or more", times)
		}
		chosen := choice{order.value, filter}
		m := collect.NewMeter(interval)
		defer m.Close()
		if asJSON || !canDraw(os.Stdin, os.Stdout) {
			return topPlain(c.Context(), m, chosen, times, asJSON)
		}
		d, err := openDisplay(os.Stdin, os.Stdout)
		if err != nil {
			return err
		}
		defer d.close()
		return (&screen{meter: m, left: times, choice: chosen, painter: newPainter()}).run(c.Context(), d)
	}
	return c
}

// topPlain writes a line for each queue and interval, or an object for each
// interval.
func topPlain(ctx context.Context, m *collect.Meter, chosen choice, times int, asJSON bool) error {
	result := error(nil)
	for i := 0; times == 0 || i < times; i++ {
		gauges, problems := m.Measure(ctx)
		if ctx.Err() != nil {
			return result
		}
		gauges = chosen.of(gauges)
		if len(problems) > 0 && result == nil {
			for _, err := range problems {
				report(err)
			}
			result = errReported
		}
		if asJSON {
			if err := writeJSONLine(newReading(gauges, problems)); err != nil {
				return err
			}
			continue
		}
		var lines harmless
		now := time.Now().Format(time.TimeOnly)
		for _, g := range gauges {
			l := fmt.Sprintf("%s %s messages=%s bytes=%s full=%s in>=%.0f/s out>=%.0f/s net=%+.0f/s", now, g.Address,
				known(g.Messages), known(g.Bytes), percent(g.Fill()), g.In, g.Out, g.Net)
			if d := g.FillsIn(); d > 0 {
				l += " full_in=" + inLargestUnit(d)
			}
			if r := g.Leases; r != nil {
				l += fmt.Sprintf(" lent=%s due=%s dead=%s", known(int64(r.Messages())), known(int64(r.Due)), known(int64(r.Dead)))
			}
			receive, send := g.CountWaiting()
			lines += line("%s receivers_waiting=%d senders_waiting=%d", l, receive, send)
		}
		if err := write(os.Stdout, lines); err != nil {
			return err
		}
	}
	return result
}

// A reading is the JSON of an interval.
type reading struct {
	Time     time.Time      `json:"time"`
	Queues   []gaugeReading `json:"queues"`
	Problems []string       `json:"problems,omitempty"` // why queues may be missing
}

type gaugeReading struct {
	collect.Queue
	Full   float64 `json:"full"`    // 0 to 1, -1 if not known
	In     float64 `json:"in"`      // messages per second, at least
	Out    float64 `json:"out"`     // messages per second, at least
	Net    float64 `json:"net"`     // in minus out, exact
	FullIn float64 `json:"full_in"` // seconds at the current rate, 0 if never
}

func newReading(gauges []collect.Gauge, problems []error) reading {
	r := reading{Time: time.Now(), Queues: []gaugeReading{}}
	for _, g := range gauges {
		r.Queues = append(r.Queues, gaugeReading{g.Queue, g.Fill(), g.In, g.Out, g.Net, g.FillsIn().Seconds()})
	}
	for _, err := range problems {
		r.Problems = append(r.Problems, explain(err))
	}
	return r
}

// inLargestUnit writes a duration in its largest unit.
func inLargestUnit(d time.Duration) string {
	switch {
	case d < time.Second:
		return "<1s"
	case d < 100*time.Second:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < 100*time.Minute:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 100*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return ">4d"
}
