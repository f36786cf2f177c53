package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"ipcmq/cmd/internal/collect"
	"ipcmq/internal/visible"
)

// A screen is what top shows on a terminal.
type screen struct {
	painter
	meter  *collect.Meter
	left   int // intervals until the end, 0 for no end
	bySize bool

	gauges        []collect.Gauge
	problems      []error
	at            time.Time
	width, height int
	first         int // of the queues shown
}

// measured is what was seen in an interval.
type measured struct {
	gauges   []collect.Gauge
	problems []error
}

const (
	resizeEvery = 100 * time.Millisecond // how often to look whether the terminal has another size
	escapeAlone = 50 * time.Millisecond  // what comes later than this is not of the same key
)

// lastKeys are those that end top.
var lastKeys = []string{"q", keyInterrupt}

// run shows the screen on d until a key or ctx ends it, or the intervals are
// over.
func (s *screen) run(ctx context.Context, d *display) error {
	ctx, cancel := context.WithCancel(ctx)
	keys, gone := make(chan string), make(chan error, 1)
	go func() {
		gone <- readKeys(d.in, lastKeys, func(key string) bool {
			select {
			case keys <- key:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}()
	results := make(chan measured, 1)
	measure := func() {
		gauges, problems := s.meter.Measure(ctx)
		results <- measured{gauges, problems}
	}
	go measure()
	defer func() {
		cancel()
		<-results // of the measurement that is under way: it uses what the caller closes
	}()

	resize := time.NewTicker(resizeEvery)
	defer resize.Stop()
	var escape <-chan time.Time
	d.resized()
	for changed := true; ; {
		if changed {
			s.width, s.height = d.width, d.height
			s.scroll()
			if err := d.draw(s.View()); err != nil {
				return err
			}
		}
		changed = true
		select {
		case <-ctx.Done():
			return nil
		case <-escape:
			return nil
		case <-gone:
			return nil // a last key was read, or the terminal is gone
		case key := <-keys:
			escape = nil
			if key == keyEscape {
				escape = time.After(escapeAlone)
			}
			s.press(key)
		case <-resize.C:
			changed = d.resized()
		case m := <-results:
			s.gauges, s.problems, s.at = m.gauges, m.problems, time.Now()
			go measure()
			if s.left == 1 {
				return nil
			}
			s.left = max(s.left-1, 0)
		}
	}
}

// press does what a key asks for.
func (s *screen) press(key string) {
	switch key {
	case "s":
		s.bySize = !s.bySize
	case keyDown, "j":
		s.first++
	case keyUp, "k":
		s.first--
	case keyPageDown, " ":
		s.first += s.room()
	case keyPageUp:
		s.first -= s.room()
	}
}

// room is how many queues fit on the screen.
func (s *screen) room() int { return max(s.height-5-min(len(s.problems), 2), 1) }

func (s *screen) scroll() { s.first = max(min(s.first, len(s.gauges)-s.room()), 0) }

func fillColor(f float64) style {
	switch {
	case f >= much:
		return red
	case f >= 0.5:
		return yellow
	}
	return green
}

func (s *screen) View() string {
	if s.at.IsZero() {
		return s.paint(fmt.Sprintf("ipcmq top: looking for %v ...", s.meter.Interval), faint)
	}
	counts := map[string]int{}
	filling := 0
	for _, g := range s.gauges {
		counts[g.Kind]++
		if g.FillsIn() > 0 || g.Full() {
			filling++
		}
	}
	var b strings.Builder
	order := "name"
	if s.bySize {
		order = "fill"
	}
	title := s.paint("ipcmq top", bold) + s.paint(fmt.Sprintf("  %s  every %v  %d System V, %d POSIX queues, by %s",
		s.at.Format(time.TimeOnly), s.meter.Interval, counts[collect.SysV], counts[collect.Posix], order), faint)
	if filling > 0 {
		title += "  " + s.paint(fmt.Sprintf("%d full or filling", filling), bold, red)
	}
	b.WriteString(title + "\n\n")

	gauges := slices.Clone(s.gauges)
	if s.bySize {
		slices.SortStableFunc(gauges, func(x, y collect.Gauge) int { return cmp.Compare(y.Fill(), x.Fill()) })
	}
	last := min(s.first+s.room(), len(gauges))
	l := newLayout(s.width, gauges)
	b.WriteString(s.paint(l.head(), faint, underline) + "\n")
	for _, g := range gauges[s.first:last] {
		b.WriteString(s.line(l, g) + "\n")
	}
	for _, err := range s.problems[:min(len(s.problems), 2)] {
		b.WriteString(s.paint(cut(visible.Line(explain(err)), s.width), faint) + "\n")
	}
	foot := "q quit  s sort"
	if hidden := len(gauges) - (last - s.first); hidden > 0 {
		foot += fmt.Sprintf("  ↑↓ %s more", plural(hidden, "queue"))
	}
	b.WriteString("\n" + s.paint(foot, faint))
	return b.String()
}

// A layout is the widths of the columns of a screen.
type layout struct{ name, bar, history, waiting int }

// fixed is the width of the columns that do not change, with their gaps.
const fixed = 2 + 5 + 9 + 9 + 9 + 11 + 4

func newLayout(width int, gauges []collect.Gauge) layout {
	l := layout{name: len("QUEUE"), bar: 20, waiting: 7}
	for _, g := range gauges {
		l.name = min(max(l.name, len([]rune(g.Address))), 24)
		l.waiting = min(max(l.waiting, len([]rune(whoWaits(g.Queue)))), 30)
	}
	rest := width - l.name - fixed - l.bar - l.waiting
	if rest < 20 { // a narrow terminal: first who waits, then the bar give way
		l.waiting = max(7, l.waiting+rest-20)
		rest = width - l.name - fixed - l.bar - l.waiting
	}
	if rest < 8 {
		l.bar = max(8, l.bar+rest-8)
		rest = width - l.name - fixed - l.bar - l.waiting
	}
	l.history = min(max(rest, 0), 60)
	return l
}

func (l layout) head() string {
	return fmt.Sprintf("  %s %s %5s%9s%9s%9s %-11s%s %s", pad("QUEUE", l.name), pad("", l.bar), "FULL", "MESSAGES", "≥ IN/S", "≥ OUT/S", " TREND",
		pad("HISTORY", l.history), pad("WAITING", l.waiting))
}

func (s *screen) line(l layout, g collect.Gauge) string {
	fill := g.Fill()
	color := fillColor(fill)
	var name, trend []style
	mark, word := " ", "="
	switch d := g.FillsIn(); {
	case g.Full():
		mark, word = "!", "FULL"
		name, trend = []style{bold, red}, []style{bold, red}
	case d > 0:
		mark, word = "▲", "▲ in "+shortly(d)
		name, trend = []style{bold}, []style{bold, fillColor(max(fill, 0.5))}
	case g.Net < 0:
		mark, word = "▼", "▼ drains"
		trend = []style{green}
	case g.Messages <= 0:
		word, trend = "empty", []style{faint}
	default:
		trend = []style{faint}
	}
	marked := trend
	if g.Full() {
		trend = append(slices.Clone(trend), reverse) // the word alone, not what pads it
	}
	return s.paint(mark, marked...) + " " + s.paint(pad(g.Address, l.name), name...) + " " + s.bar(fill, l.bar, color) + " " +
		s.paint(fmt.Sprintf("%5s", percent(fill)), color) + fmt.Sprintf("%9s", briefly(float64(g.Messages))) +
		fmt.Sprintf("%9s%9s  ", rate(g.In), rate(g.Out)) + s.paint(word, trend...) + strings.Repeat(" ", max(0, 10-len([]rune(word)))) +
		s.paint(pad(sparkline(g.History, l.history), l.history), color) + " " + s.paint(cut(whoWaits(g.Queue), l.waiting))
}

func rate(r float64) string {
	switch {
	case r == 0:
		return "-"
	case r < 10:
		return fmt.Sprintf("%.1f", r)
	}
	return briefly(r)
}

// briefly writes a number in at most 7 characters.
func briefly(n float64) string {
	switch {
	case n < 0:
		return "-"
	case n < 1e6:
		return amount(int64(n))
	}
	for _, unit := range []string{"M", "G", "T"} {
		if n /= 1000; n < 1e6 {
			return fmt.Sprintf("%.1f%s", n/1000, unit)
		}
	}
	return ">999T"
}

// whoWaits says who waits at a queue: the first by name.
func whoWaits(r collect.Queue) string {
	if len(r.Waiting) == 0 {
		return ""
	}
	receive, send := r.CountWaiting()
	var parts []string
	if receive > 0 {
		parts = append(parts, plural(receive, "reader"))
	}
	if send > 0 {
		parts = append(parts, plural(send, "writer"))
	}
	w := r.Waiting[0]
	return fmt.Sprintf("%s: %s %d", strings.Join(parts, ", "), visible.Line(w.Command), w.PID)
}

// bar draws how full something is, to an eighth of a character.
func (s *screen) bar(fill float64, width int, color style) string {
	if fill < 0 {
		return s.paint(strings.Repeat("?", width), faint)
	}
	eighths := int(min(fill, 1)*float64(width)*8 + 0.5)
	if fill > 0 && eighths == 0 {
		eighths = 1
	}
	full := strings.Repeat("█", eighths/8)
	if part := eighths % 8; part > 0 {
		full += string([]rune("▏▎▍▌▋▊▉")[part-1])
	}
	return s.paint(full, color) + s.paint(strings.Repeat("·", width-len([]rune(full))), faint)
}

// sparkline draws the newest values that fit, 0 to 1.
func sparkline(values []float64, width int) string {
	values = values[max(0, len(values)-width):]
	line := []rune(strings.Repeat(" ", width-len(values)))
	for _, v := range values {
		switch {
		case v <= 0:
			line = append(line, '▁')
		default:
			line = append(line, []rune("▁▂▃▄▅▆▇█")[min(int(min(v, 1)*8), 7)])
		}
	}
	return string(line)
}

func pad(s string, width int) string {
	s = cut(s, width)
	return s + strings.Repeat(" ", max(0, width-len([]rune(s))))
}

// cut shortens s to width characters.
func cut(s string, width int) string {
	r := []rune(s)
	if width < 1 || len(r) <= width {
		return s
	}
	return string(r[:width-1]) + "…"
}
