package cli

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"ipcmq/internal/visible"
)

// A harmless text is for people: its lines cannot control a terminal, whatever the
// names of queues, processes and users, and errors of other programs, contain. Only line
// and table create one, and the command writes nothing else except messages (see format
// and writeData), JSON (see writeJSON), the screen of top (see painter) and progress bars.
type harmless string

// line formats a line, in which newlines of arguments are escaped.
func line(format string, args ...any) harmless {
	return harmless(visible.Line(fmt.Sprintf(format, args...)) + "\n")
}

// write writes t in one piece.
func write(f *os.File, t harmless) error {
	_, err := f.WriteString(string(t))
	return err
}

// printLine writes a line to standard output.
func printLine(format string, args ...any) error { return write(os.Stdout, line(format, args...)) }

// logLine writes a line to standard error. It ignores errors: there is nowhere to
// report them.
func logLine(format string, args ...any) { _ = write(os.Stderr, line(format, args...)) }

// amount writes n with commas between the thousands.
func amount[N ~int | ~int64 | ~uint64](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// age returns how long ago t was, or "-" for never.
func age(now, t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	d := max(now.Sub(t), 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}

// table lays out cells in columns; the columns in right are right-aligned.
func table(lines [][]string, right ...int) harmless {
	var widths []int
	for _, l := range lines {
		for i, cell := range l {
			cell = visible.Line(cell)
			l[i] = cell
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	flush := map[int]bool{}
	for _, i := range right {
		flush[i] = true
	}
	var b strings.Builder
	for _, l := range lines {
		var line strings.Builder
		for i, cell := range l {
			if i > 0 {
				line.WriteString("  ")
			}
			pad := strings.Repeat(" ", widths[i]-len([]rune(cell)))
			if flush[i] {
				line.WriteString(pad + cell)
			} else {
				line.WriteString(cell + pad)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return harmless(b.String())
}
