package main

import (
	"fmt"
	"io"
	"strings"
)

// writeGrowth writes the measurements of the curves as Markdown, with pictures from the
// same directory.
func writeGrowth(w io.Writer, all []growth) {
	if len(all) > 0 {
		fmt.Fprintln(w, "\n### How cost grows")
	}
	for _, g := range all {
		fmt.Fprintf(w, "\n#### %s\n", g.Title)
		for _, p := range g.pictures() {
			fmt.Fprintf(w, "\n![%s: %s](%s)\n", g.Title, p.label, p.file)
		}
		fmt.Fprintf(w, "\n%s\n\n<details><summary>Figures</summary>\n\n", g.sentence())
		g.writeTable(w)
		fmt.Fprintln(w, "\n</details>")
	}
}

// sentence describes how far each line goes, and how it compares with the first.
func (g growth) sentence() string {
	base := g.Lines[0]
	from, to := base.first(), base.last()
	var goes, speeds, threads []string
	for i, l := range g.Lines {
		a, b := g.quantity(l.first()), g.quantity(l.last())
		goes = append(goes, fmt.Sprintf("%s from %s to %s (%s times)", l.Name, g.format(a), g.format(b), digits(b/a)))
		if i > 0 {
			least, most := l.speeds()
			speeds = append(speeds, fmt.Sprintf("%s %.2f to %.2f", l.Name, least, most))
		}
		if n := l.last().Threads; n > 0 {
			threads = append(threads, fmt.Sprintf("%d with %s", n, l.Name))
		}
	}
	s := fmt.Sprintf("From %d to %d %s: %s. Speed (%s = 1): %s.", from.X, to.X, g.Unit,
		strings.Join(goes, "; "), base.Name, strings.Join(speeds, "; "))
	if len(threads) > 0 {
		s += fmt.Sprintf(" Threads in Go at %d %s: %s.", to.X, g.Unit, strings.Join(threads, "; "))
	}
	return s + strings.TrimSuffix(" "+g.Note, " ")
}

// quantity is the quantity in the first picture: nanoseconds, or the number per second.
func (g growth) quantity(p point) float64 {
	if g.Rate {
		return 1e9 / p.NS.Median
	}
	return p.NS.Median
}

func (g growth) format(quantity float64) string {
	switch {
	case g.Rate:
		return digits(quantity/1000) + " thousand per second"
	case quantity < 1000:
		return fmt.Sprintf("%.0f ns", quantity)
	}
	return digits(quantity/1000) + " µs"
}

// digits writes v with two digits or more.
func digits(v float64) string {
	if v < 10 {
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

func (g growth) writeTable(w io.Writer) {
	fmt.Fprintf(w, "| %s |", g.Unit)
	for i, l := range g.Lines {
		fmt.Fprintf(w, " %s, ns |", l.Name)
		if i > 0 {
			fmt.Fprintf(w, " speed (%s = 1) | least to greatest |", g.Lines[0].Name)
		}
	}
	fmt.Fprintf(w, "\n|--:|--:|%s\n", strings.Repeat("--:|--:|--:|", len(g.Lines)-1))
	for i, base := range g.Lines[0].Points {
		fmt.Fprintf(w, "| %d | %.0f |", base.X, base.NS.Median)
		for _, l := range g.Lines[1:] {
			p := l.Points[i]
			fmt.Fprintf(w, " %.0f | **%.2f** | %.2f to %.2f |", p.NS.Median, p.Speed.Median, p.Speed.Min, p.Speed.Max)
		}
		fmt.Fprintln(w)
	}
}
