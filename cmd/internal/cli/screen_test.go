package cli_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"ipcmq/cmd/internal/cli"
)

func TestTopShowsWhichQueueFills(t *testing.T) {
	gauges := []cli.Gauge{
		{Address: "0x0000002a", Messages: 400, Capacity: 1000, In: 100, Out: 40, Net: 60, History: []float64{0.1, 0.2, 0.4}, Receivers: 1},
		{Address: "/full", Messages: 990, Capacity: 1000, BlockedSends: 2},
		{Address: "/drains", Messages: 500, Capacity: 1000, Net: -5},
		{Address: "/empty", Capacity: 1000},
	}
	view := cli.View(120, 20, false, gauges...)
	lines := strings.Split(view, "\n")
	for i, want := range [][]string{
		{"ipcmq top", "2 full or filling"}, nil, {"QUEUE", "FULL", "MESSAGES", "≥ IN/S", "≥ OUT/S", "TREND", "HISTORY", "WAITING"},
		{"▲ 0x0000002a ████████····", "40%", "400", "100", "▲ in 10s", "▁▂▄", "1 reader: perl 100"},
		{"! /full", "99%", "FULL", "2 writers: perl 100"},
		{"▼ /drains", "50%", "▼ drains"},
		{"  /empty", "····", "0%", "empty"},
	} {
		for _, part := range want {
			if !strings.Contains(lines[i], part) {
				t.Errorf("line %d lacks %q: %q", i, part, lines[i])
			}
		}
	}
	sorted := strings.Split(cli.View(120, 20, true, gauges...), "\n")
	for i, name := range []string{"/full", "/drains", "0x0000002a", "/empty"} {
		if !strings.Contains(sorted[3+i], name) {
			t.Errorf("by size, line %d is %q and not of %s", i, sorted[3+i], name)
		}
	}
}

func TestTopFitsOntoTheScreen(t *testing.T) {
	var gauges []cli.Gauge
	for range 50 {
		gauges = append(gauges, cli.Gauge{Address: "/a-name-that-is-longer-than-there-is-room-for", Messages: 1 << 40, Capacity: 1 << 41,
			In: 1e6, Out: 1e6, Net: 1, History: make([]float64, 120), Receivers: 3, BlockedSends: 4})
	}
	for _, width := range []int{90, 100, 120, 200} {
		lines := strings.Split(cli.View(width, 12, false, gauges...), "\n")
		if len(lines) > 12 {
			t.Errorf("%d lines on a screen of 12", len(lines))
		}
		for _, l := range lines[2:] {
			if n := utf8.RuneCountInString(l); n > width {
				t.Errorf("%d characters on a screen of %d: %q", n, width, l)
			}
		}
		if last := lines[len(lines)-1]; !strings.Contains(last, "43 queues more") {
			t.Errorf("the queues that are not shown are not counted: %q", last)
		}
	}
}

func TestSparklineEndsWithTheNewest(t *testing.T) {
	for _, test := range []struct {
		values []float64
		width  int
		want   string
	}{
		{nil, 3, "   "},
		{[]float64{0, 1}, 3, " ▁█"},
		{[]float64{0, 0.5, 1, 7, -1}, 3, "██▁"},
		{[]float64{1}, 0, ""},
	} {
		if got := cli.Sparkline(test.values, test.width); got != test.want {
			t.Errorf("%v: %q instead of %q", test.values, got, test.want)
		}
	}
}

func TestNumbersStayShort(t *testing.T) {
	for n, want := range map[float64]string{
		-1: "-", 0: "0", 999_999: "999,999", 1e6: "1.0M", 999.9e6: "999.9M", 1e9: "1.0G", 1 << 40: "1.1T", 1e18: ">999T",
	} {
		if got := cli.Briefly(n); got != want {
			t.Errorf("%g: %q instead of %q", n, got, want)
		}
	}
}
