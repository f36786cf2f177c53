package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
)

// A screen is what top shows on a terminal.
type screen struct {
	ctx    context.Context
	meter  *meter
	left   int // intervals until the end, 0 for no end
	bySize bool

	gauges        []gauge
	problems      []error
	at            time.Time
	width, height int
	first         int // of the queues shown
}

// measured is a message of bubbletea: an interval is over.
type measured struct {
	gauges   []gauge
	problems []error
}

func (s *screen) measure() tea.Msg {
	gauges, problems := s.meter.measure(s.ctx)
	return measured{gauges, problems}
}

func (s *screen) Init() tea.Cmd { return s.measure }

func (s *screen) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		s.width, s.height = msg.Width, msg.Height
	case tea.KeyMsg:
		switch msg.String() {
		case "q", "ctrl+c", "esc":
			return s, tea.Quit
		case "s":
			s.bySize = !s.bySize
		case "down", "j":
			s.first++
		case "up", "k":
			s.first--
		case "pgdown", " ":
			s.first += s.room()
		case "pgup":
			s.first -= s.room()
		}
	case measured:
		s.gauges, s.problems, s.at = msg.gauges, msg.problems, time.Now()
		if s.left == 1 {
			return s, tea.Quit
		}
		s.left = max(s.left-1, 0)
		s.scroll()
		return s, s.measure
	}
	s.scroll()
	return s, nil
}

// room is how many queues fit on the screen.
func (s *screen) room() int { return max(s.height-5-min(len(s.problems), 2), 1) }

func (s *screen) scroll() { s.first = max(min(s.first, len(s.gauges)-s.room()), 0) }

// Colors of the terminal's own palette, so that they suit its background.
var (
	green  = lipgloss.Color("2")
	yellow = lipgloss.Color("3")
	red    = lipgloss.Color("1")

	faint    = lipgloss.NewStyle().Faint(true)
	bold     = lipgloss.NewStyle().Bold(true)
	headline = lipgloss.NewStyle().Faint(true).Underline(true)
	fullMark = lipgloss.NewStyle().Bold(true).Reverse(true).Foreground(red)
)

func fillColor(f float64) lipgloss.Color {
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
		return faint.Render(fmt.Sprintf("ipcmq top: looking for %v ...", s.meter.interval))
	}
	counts := map[string]int{}
	filling := 0
	for _, g := range s.gauges {
		counts[g.Kind]++
		if g.fillsIn() > 0 || g.full() {
			filling++
		}
	}
	var b strings.Builder
	order := "name"
	if s.bySize {
		order = "fill"
	}
	title := bold.Render("ipcmq top") + faint.Render(fmt.Sprintf("  %s  every %v  %d System V, %d POSIX queues, by %s",
		s.at.Format(time.TimeOnly), s.meter.interval, counts["sysv"], counts["posix"], order))
	if filling > 0 {
		title += "  " + lipgloss.NewStyle().Bold(true).Foreground(red).Render(fmt.Sprintf("%d full or filling", filling))
	}
	b.WriteString(title + "\n\n")

	gauges := slices.Clone(s.gauges)
	if s.bySize {
		slices.SortStableFunc(gauges, func(x, y gauge) int { return cmp.Compare(y.fill(), x.fill()) })
	}
	last := min(s.first+s.room(), len(gauges))
	l := newLayout(s.width, gauges)
	b.WriteString(headline.Render(l.head()) + "\n")
	for _, g := range gauges[s.first:last] {
		b.WriteString(l.line(g) + "\n")
	}
	for _, err := range s.problems[:min(len(s.problems), 2)] {
		b.WriteString(faint.Render(cut(explain(err), s.width)) + "\n")
	}
	foot := "q quit  s sort"
	if hidden := len(gauges) - (last - s.first); hidden > 0 {
		foot += fmt.Sprintf("  ↑↓ %s more", plural(hidden, "queue"))
	}
	b.WriteString("\n" + faint.Render(foot))
	return b.String()
}

// A layout is the widths of the columns of a screen.
type layout struct{ name, bar, history, waiting int }

// fixed is the width of the columns that do not change, with their gaps.
const fixed = 2 + 5 + 9 + 9 + 9 + 11 + 4

func newLayout(width int, gauges []gauge) layout {
	l := layout{name: len("QUEUE"), bar: 20, waiting: 7}
	for _, g := range gauges {
		l.name = min(max(l.name, len([]rune(g.Address))), 24)
		l.waiting = min(max(l.waiting, len([]rune(whoWaits(g.row)))), 30)
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

func (l layout) line(g gauge) string {
	fill := g.fill()
	color := lipgloss.NewStyle().Foreground(fillColor(fill))
	name, mark, trend := lipgloss.NewStyle(), " ", " ="
	switch d := g.fillsIn(); {
	case g.full():
		mark, trend = "!", " FULL"
	case d > 0:
		mark, trend = "▲", " ▲ in "+shortly(d)
	case g.net < 0:
		mark, trend = "▼", " ▼ drains"
	case g.Messages <= 0:
		trend = " empty"
	}
	trendStyle := faint
	switch mark {
	case "!":
		name, trendStyle = lipgloss.NewStyle().Bold(true).Foreground(red), fullMark
	case "▲":
		name, trendStyle = bold, lipgloss.NewStyle().Bold(true).Foreground(fillColor(max(fill, 0.5)))
	case "▼":
		trendStyle = lipgloss.NewStyle().Foreground(green)
	}
	// Only the word is highlighted, not what pads it.
	word := strings.TrimSpace(trend)
	trend = " " + trendStyle.Render(word) + strings.Repeat(" ", max(0, 10-len([]rune(word))))
	return trendStyle.UnsetReverse().Render(mark) + " " + name.Render(pad(g.Address, l.name)) + " " + bar(fill, l.bar, color) + " " +
		color.Render(fmt.Sprintf("%5s", percent(fill))) + fmt.Sprintf("%9s", briefly(float64(g.Messages))) +
		fmt.Sprintf("%9s%9s ", rate(g.in), rate(g.out)) + trend +
		color.Render(pad(sparkline(g.history, l.history), l.history)) + " " + cut(whoWaits(g.row), l.waiting)
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
func whoWaits(r row) string {
	if len(r.Waiting) == 0 {
		return ""
	}
	receive, send := r.waiting()
	var parts []string
	if receive > 0 {
		parts = append(parts, plural(receive, "reader"))
	}
	if send > 0 {
		parts = append(parts, plural(send, "writer"))
	}
	w := r.Waiting[0]
	return fmt.Sprintf("%s: %s %d", strings.Join(parts, ", "), w.Command, w.PID)
}

// bar draws how full something is, to an eighth of a character.
func bar(fill float64, width int, color lipgloss.Style) string {
	if fill < 0 {
		return faint.Render(strings.Repeat("?", width))
	}
	eighths := int(min(fill, 1)*float64(width)*8 + 0.5)
	if fill > 0 && eighths == 0 {
		eighths = 1
	}
	full := strings.Repeat("█", eighths/8)
	if part := eighths % 8; part > 0 {
		full += string([]rune("▏▎▍▌▋▊▉")[part-1])
	}
	return color.Render(full) + faint.Render(strings.Repeat("·", width-len([]rune(full))))
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
