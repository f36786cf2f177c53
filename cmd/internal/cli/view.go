package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"ipcmq/cmd/internal/collect"
	"ipcmq/internal/visible"
)

func fillColor(f float64) style {
	switch {
	case f >= nearlyUsedUp:
		return red
	case f >= 0.5:
		return yellow
	}
	return green
}

func (s *screen) View() string {
	switch {
	case s.help:
		return s.paint("ipcmq top", bold) + "\n\n" + topKeys + "\n" + s.paint("any key goes back", faint)
	case s.at.IsZero():
		return s.paint(fmt.Sprintf("ipcmq top: measuring for %v ...", s.meter.Interval), faint)
	}
	gauges := s.of(s.gauges)
	last := min(s.first+s.room(), len(gauges))
	l := newLayout(s.width, gauges)
	var b strings.Builder
	b.WriteString(s.title() + "\n\n" + s.paint(l.head(), faint, underline) + "\n")
	for _, g := range gauges[s.first:last] {
		b.WriteString(s.line(l, g) + "\n")
	}
	for _, err := range s.problems[:min(len(s.problems), 2)] {
		b.WriteString(s.paint(cut(visible.Line(explain(err)), s.width), faint) + "\n")
	}
	if s.editing {
		b.WriteString("\n" + s.paint(cut("show queues with: "+visible.Line(s.filter)+"_  (Enter keeps it, Esc shows all)", s.width)))
		return b.String()
	}
	foot := "? keys  q quit  s sort  / filter"
	if s.filter != "" {
		foot = "with " + strconv.Quote(s.filter) + ", Esc shows all  " + foot
	}
	if hidden := len(gauges) - (last - s.first); hidden > 0 {
		foot = fmt.Sprintf("↑↓ %s more  ", plural(hidden, "queue")) + foot
	}
	b.WriteString("\n" + s.paint(cut(foot, s.width), faint))
	return b.String()
}

// topKeys explains the screen of top, in 80 columns.
const topKeys = `q, Esc, ^C         quit
s                  sort by name, fill, messages or rate
/                  show only queues with a text in their address, owner or
                   processes; Enter keeps it, Esc shows all again
↑ ↓ j k            one queue up or down
PgUp PgDn, space   a screen up or down
?                  this

! FULL             nothing more fits, or somebody waits for room
▲ in 5m            filling; full in five minutes at the current rate
▼ drains           draining
LENT               messages that processes have on lease, or gave back;
                   ! some of these processes have ended
                   ≥ IN/S, ≥ OUT/S    messages per second, at least
HISTORY            how full it was, the newest on the right
WAITING            who waits for a message (reader) or for room (writer)
`

// title returns the first line: the most important first, the rest if there is room.
func (s *screen) title() string {
	counts := map[string]int{}
	filling := 0
	for _, g := range s.gauges {
		counts[g.Kind]++
		if g.FillsIn() > 0 || g.Full() {
			filling++
		}
	}
	title, width := s.paint("ipcmq top", bold), len("ipcmq top")
	add := func(text string, styles ...style) {
		if width += 2 + len([]rune(text)); width <= s.width {
			title += "  " + s.paint(text, styles...)
		}
	}
	if filling > 0 {
		add(fmt.Sprintf("%d full or filling", filling), bold, red)
	}
	add(s.at.Format(time.TimeOnly), faint)
	add(fmt.Sprintf("%d System V, %d POSIX queues, by %s", counts[collect.SysV], counts[collect.Posix], s.order), faint)
	add(fmt.Sprintf("every %v", s.meter.Interval), faint)
	return title
}

// A layout holds the widths of the columns of a screen, 0 for omitted columns.
type layout struct{ name, bar, lent, rates, history, waiting int }

// fixed is the width of the columns of fixed width, with their gaps.
const fixed = 2 + 5 + 9 + 12

// width returns the width of a line.
func (l layout) width() int {
	width := fixed + l.name + l.lent + l.rates
	for _, w := range []int{l.bar, l.history, l.waiting} {
		if w > 0 {
			width += w + 1 // and a gap
		}
	}
	return width
}

func newLayout(width int, gauges []collect.Gauge) layout {
	l := layout{name: len("QUEUE"), bar: 20, rates: 18, waiting: 7}
	for _, g := range gauges {
		l.name = min(max(l.name, len([]rune(g.Address))), 24)
		l.waiting = min(max(l.waiting, len([]rune(waiters(g.Queue)))), 30)
		if g.Leases.Messages() > 0 {
			l.lent = 7
		}
	}
	// In a narrow terminal columns shrink in this order: the percentage repeats what
	// the bar shows, while a name that is cut off could be mistaken for another.
	shrink := func(n *int, least int) {
		if over := l.width() - width; over > 0 {
			*n = max(*n-over, least)
		}
	}
	l.history = 20
	shrink(&l.waiting, 20)
	shrink(&l.history, 8)
	shrink(&l.bar, 8)
	shrink(&l.waiting, 7)
	shrink(&l.history, 0)
	shrink(&l.bar, 0)
	shrink(&l.waiting, 0)
	if l.width() > width {
		l.lent = 0
	}
	shrink(&l.name, 12)
	if l.width() > width {
		l.rates = 0
	}
	if l.history > 0 {
		l.history = min(l.history+max(width-l.width(), 0), 60)
	}
	return l
}

func (l layout) head() string {
	b := "  " + pad("QUEUE", l.name)
	if l.bar > 0 {
		b += " " + strings.Repeat(" ", l.bar)
	}
	b += fmt.Sprintf("%5s%9s", "FULL", "MESSAGES")
	if l.lent > 0 {
		b += fmt.Sprintf("%*s", l.lent, "LENT")
	}
	if l.rates > 0 {
		b += fmt.Sprintf("%9s%9s", "≥ IN/S", "≥ OUT/S")
	}
	b += "  " + pad("TREND", 10)
	if l.history > 0 {
		b += " " + pad("HISTORY", l.history)
	}
	if l.waiting > 0 {
		b += " " + pad("WAITING", l.waiting)
	}
	return b
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
		mark, word = "▲", "▲ in "+inLargestUnit(d)
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
		trend = append(slices.Clone(trend), reverse) // the word alone, without padding
	}
	b := s.paint(mark, marked...) + " " + s.paint(pad(g.Address, l.name), name...)
	if l.bar > 0 {
		b += " " + s.bar(fill, l.bar, color)
	}
	b += s.paint(fmt.Sprintf("%5s", percent(fill)), color) + fmt.Sprintf("%9s", shortNumber(float64(g.Messages)))
	if l.lent > 0 {
		text, look := lentForTop(g.Leases)
		b += s.paint(fmt.Sprintf("%*s", l.lent, text), look...)
	}
	if l.rates > 0 {
		b += fmt.Sprintf("%9s%9s", rate(g.In), rate(g.Out))
	}
	b += "  " + s.paint(word, trend...) + strings.Repeat(" ", max(0, 10-len([]rune(word))))
	if l.history > 0 {
		b += " " + s.paint(pad(sparkline(g.History, l.history), l.history), color)
	}
	if l.waiting > 0 {
		b += " " + s.paint(cut(waiters(g.Queue), l.waiting))
	}
	return b
}

func rate(r float64) string {
	switch {
	case r == 0:
		return "-"
	case r < 10:
		return fmt.Sprintf("%.1f", r)
	}
	return shortNumber(r)
}

// shortNumber writes a number in at most 7 characters.
func shortNumber(n float64) string {
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

// waiters returns who waits at a queue: the first by name.
func waiters(r collect.Queue) string {
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
