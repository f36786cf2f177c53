package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// writeTables writes everything measured as Markdown.
func writeTables(w io.Writer, all results) {
	fmt.Fprintf(w, "%s\n", all.Machine)
	writeOthersBetter(w, all.Rows)
	for i, r := range all.Rows {
		if r.Kind != ours {
			continue
		}
		if first := i == 0 || r.Group != all.Rows[i-1].Group || r.Shape != all.Rows[i-1].Shape; first && r.Group != alternativesGroup {
			fmt.Fprintf(w, "\n### %s: %s\n\n%s each time.\n\n", r.Title, r.Shape, countOf(r))
			fmt.Fprintln(w, "| in Go | bytes | speed (C = 1) | least to greatest | C, ns | Go, ns | allocations | CPU s per million, C | Go |")
			fmt.Fprintln(w, "|---|--:|--:|--:|--:|--:|--:|--:|--:|")
		}
		if r.Group != alternativesGroup {
			fmt.Fprintf(w, "| %s | %d | **%.2f** | %s | %.0f | %.0f | %.2f | %.2f | %.2f |\n",
				r.Layer, r.Size, r.Speed.Median, r.Speed.span(), r.C, r.NS, r.Allocs, r.CPUC, r.CPU)
		}
	}
	writeOthers(w, all.Rows, peer)
	writeOthers(w, all.Rows, alternative)
	writeTrials(w, all.Trials)
	writeFigures(w, all.Figures)
	writeGrowth(w, all.Growth)
}

// span writes the least and the greatest.
func (s spread) span() string { return fmt.Sprintf("%.2f to %.2f", s.Min, s.Max) }

func countOf(r result) string {
	what := "messages"
	if strings.Contains(r.Name, "/round-trip/") || strings.Contains(r.Name, "/spinning/") {
		what = "round trips"
	} else if strings.Contains(r.Name, "/request/") || strings.Contains(r.Name, "/callers/") {
		what = "requests"
	}
	return fmt.Sprintf("%d %s", r.Count, what)
}

// A lag is a row in which something else is faster than ours.
type lag struct {
	ours, other, work string
	size              int
	speed             spread
}

// lags returns all lags, the worst first.
func lags(rows []result) []lag {
	var all []lag
	for _, r := range rows {
		work := r.Title + ": " + r.Shape
		if r.Kind == ours && r.Speed.Median < 1 && r.Group != alternativesGroup {
			all = append(all, lag{r.Layer, "C", work, r.Size, r.Speed})
		}
		for layer, s := range r.Ahead {
			if s.Median < 1 {
				all = append(all, lag{layer, r.Layer, work, r.Size, s})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b lag) int {
		return cmp.Or(cmp.Compare(a.speed.Median, b.speed.Median), cmp.Compare(a.ours+a.work, b.ours+b.work))
	})
	return all
}

// writeOthersBetter writes the rows in which others are faster: first peers and
// alternatives, then C.
func writeOthersBetter(w io.Writer, rows []result) {
	if len(rows) == 0 {
		return
	}
	all := lags(rows)
	for _, part := range []struct {
		title string
		in    func(lag) bool
	}{
		{"Rows where another library or an alternative is faster", func(l lag) bool { return l.other != "C" }},
		{"Rows where C is faster", func(l lag) bool { return l.other == "C" }},
	} {
		some := slices.DeleteFunc(slices.Clone(all), func(l lag) bool { return !part.in(l) })
		fmt.Fprintf(w, "\n### %s\n\n", part.title)
		if len(some) == 0 {
			fmt.Fprintln(w, "None.")
			continue
		}
		fmt.Fprintln(w, "| ours | theirs | work | bytes | our speed (theirs = 1) | least to greatest |")
		fmt.Fprintln(w, "|---|---|---|--:|--:|--:|")
		for _, l := range some {
			fmt.Fprintf(w, "| %s | %s | %s | %d | **%.2f** | %s |\n", l.ours, l.other, l.work, l.size, l.speed.Median, l.speed.span())
		}
	}
}

// writeOthers writes a table for each contest that has contenders of a kind.
func writeOthers(w io.Writer, rows []result, of kind) {
	last := ""
	for _, r := range rows {
		if r.Kind != of && (of != alternative || r.Group != alternativesGroup) {
			continue
		}
		layers := referencesOf(rows, r)
		if heading := r.Title + ": " + r.Shape; heading != last {
			last = heading
			fmt.Fprintf(w, "\n### %s: %s\n\n%s each time.\n\n", map[kind]string{peer: "Other libraries", alternative: "Alternatives"}[of], heading, countOf(r))
			fmt.Fprintf(w, "| | bytes | speed (%s = 1) | least to greatest | ns | allocations | CPU s per million |", cmp.Or(r.Than, "C"))
			for _, l := range layers {
				fmt.Fprintf(w, " %s is faster by | least to greatest |", l)
			}
			fmt.Fprintf(w, "\n|---|--:|--:|--:|--:|--:|--:|%s\n", strings.Repeat("--:|--:|", len(layers)))
		}
		if r.Failed != "" {
			fmt.Fprintf(w, "| %s | %d | %s | | | | |%s\n", r.Layer, r.Size, r.Failed, strings.Repeat(" | |", len(layers)))
			continue
		}
		fmt.Fprintf(w, "| %s | %d | %.2f | %s | %.0f | %.2f | %.2f |", r.Layer, r.Size, r.Speed.Median, r.Speed.span(), r.NS, r.Allocs, r.CPU)
		for _, l := range layers {
			if a, ok := r.Ahead[l]; ok {
				fmt.Fprintf(w, " **%.2f** | %s |", a.Median, a.span())
			} else {
				fmt.Fprint(w, " | |")
			}
		}
		fmt.Fprintln(w)
	}
}

// referencesOf returns the layers with which others are compared in the same work, in
// order.
func referencesOf(rows []result, like result) []string {
	var layers []string
	for _, r := range rows {
		if r.Group == like.Group && r.Shape == like.Shape && r.Kind == ours && !slices.Contains(layers, r.Layer) &&
			slices.ContainsFunc(rows, func(o result) bool {
				_, ok := o.Ahead[r.Layer]
				return ok && o.Group == r.Group && o.Shape == r.Shape
			}) {
			layers = append(layers, r.Layer)
		}
	}
	return layers
}

// writeTrials writes a line for each ability and a column for each library.
func writeTrials(w io.Writer, all []tried) {
	for _, b := range backends {
		var libraries, titles []string
		found, named := map[string]string{}, map[string]string{}
		for _, t := range all {
			if t.Backend != b.name {
				continue
			}
			if !slices.Contains(libraries, t.Library) {
				libraries = append(libraries, t.Library)
			}
			if t.Version != "" { // a hanging library reports none
				named[t.Library] = " " + t.Version
			}
			if !slices.Contains(titles, t.Ability) {
				titles = append(titles, t.Ability)
			}
			if found[t.Library+t.Ability] = t.Found; !t.Passed {
				found[t.Library+t.Ability] = "**" + t.Found + "**"
			}
		}
		if len(titles) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n### Trials: %s\n\n| |", b.title)
		for _, l := range libraries {
			fmt.Fprintf(w, " %s%s |", l, named[l])
		}
		fmt.Fprintf(w, "\n|---|%s\n", strings.Repeat("---|", len(libraries)))
		for _, title := range titles {
			fmt.Fprintf(w, "| %s |", title)
			for _, l := range libraries {
				fmt.Fprintf(w, " %s |", strings.ReplaceAll(found[l+title], "|", "\\|"))
			}
			fmt.Fprintln(w)
		}
	}
}

func writeFigures(w io.Writer, all []figures) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintln(w, "\n### Canceling and idling")
	fmt.Fprintln(w)
	fmt.Fprintln(w, "| queue | canceled receives | p50 | p99 | longest | 1000 at once | idle streams | for | CPU | CPU without them |")
	fmt.Fprintln(w, "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
	for _, f := range all {
		fmt.Fprintf(w, "| %s | %d | %s | %s | %s | %s | %d | %v | %s | %s |\n", f.Backend, f.Cancels,
			micros(f.CancelP50), micros(f.CancelP99), micros(f.CancelMax), micros(f.TogetherP50), f.Readers, f.Hold, millis(f.IdleCPU), millis(f.NoneCPU))
	}
	writeMemory(w, all)
}

func micros(d time.Duration) string { return fmt.Sprintf("%.1f µs", float64(d.Nanoseconds())/1e3) }
func millis(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Nanoseconds())/1e6) }
