package main

import (
	"fmt"
	"io"
	"time"
)

// writeTables writes everything measured as Markdown.
func writeTables(w io.Writer, all results) {
	fmt.Fprintf(w, "%s\n", all.Machine)
	for i, r := range all.Rows {
		if i == 0 || r.Backend != all.Rows[i-1].Backend || r.Shape != all.Rows[i-1].Shape {
			fmt.Fprintf(w, "\n### %s: %s\n\n", r.Backend, r.Shape)
			fmt.Fprintln(w, "| in Go | bytes | speed (C = 1) | least to greatest | C, ns | Go, ns | allocations | CPU s per million, C | Go |")
			fmt.Fprintln(w, "|---|--:|--:|--:|--:|--:|--:|--:|--:|")
		}
		fmt.Fprintf(w, "| %s | %d | **%.2f** | %.2f to %.2f | %.0f | %.0f | %.2f | %.2f | %.2f |\n",
			r.Layer, r.Size, r.Speed.Median, r.Speed.Min, r.Speed.Max, r.C, r.Ours, r.Allocs, r.CPUC, r.CPU)
	}
	if len(all.Figures) == 0 {
		return
	}
	fmt.Fprintln(w, "\n### Canceling and idling")
	fmt.Fprintln(w)
	fmt.Fprintln(w, "| queue | canceled receives | p50 | p99 | longest | idle streams | for | CPU | CPU without them |")
	fmt.Fprintln(w, "|---|--:|--:|--:|--:|--:|--:|--:|--:|")
	for _, f := range all.Figures {
		fmt.Fprintf(w, "| %s | %d | %s | %s | %s | %d | %v | %s | %s |\n", f.Backend, f.Cancels,
			micros(f.CancelP50), micros(f.CancelP99), micros(f.CancelMax), f.Readers, f.Hold, millis(f.IdleCPU), millis(f.NoneCPU))
	}
}

func micros(d time.Duration) string { return fmt.Sprintf("%.1f µs", float64(d.Nanoseconds())/1e3) }
func millis(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Nanoseconds())/1e6) }
