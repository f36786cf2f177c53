package cli_test

import (
	"strconv"
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
		{Address: "/empty", Capacity: 1000, Lent: 7, Dead: 1},
	}
	view := cli.View(120, 20, nil, gauges...)
	lines := strings.Split(view, "\n")
	for i, want := range [][]string{
		{"ipcmq top", "2 full or filling"}, nil, {"QUEUE", "FULL", "MESSAGES", "LENT", "≥ IN/S", "≥ OUT/S", "TREND", "HISTORY", "WAITING"},
		{"▲ 0x0000002a ████████····", "40%", "400", "100", "▲ in 10s", "▁▂▄", "1 reader: perl 100"},
		{"! /full", "99%", "FULL", "2 writers: perl 100"},
		{"▼ /drains", "50%", "▼ drains"},
		{"  /empty", "····", "0%", "     7!", "empty"},
	} {
		for _, part := range want {
			if !strings.Contains(lines[i], part) {
				t.Errorf("line %d lacks %q: %q", i, part, lines[i])
			}
		}
	}
}

// shownQueues returns the first words of the lines between header and footer.
func shownQueues(view string) (names []string) {
	for _, l := range strings.Split(view, "\n")[3:] {
		if l == "" {
			break
		}
		names = append(names, strings.Fields(strings.TrimLeft(l, "!▲▼ "))[0])
	}
	return names
}

func TestTopSortsAndFilters(t *testing.T) {
	gauges := []cli.Gauge{
		{Address: "0x0000002a", Messages: 400, Capacity: 1000, In: 100, Out: 40, Net: 60},
		{Address: "/full", Messages: 990, Capacity: 990, Receivers: 1},
		{Address: "/many", Messages: 5000, Capacity: 100_000, Out: 1},
		{Address: "/Empty", Capacity: 1000},
	}
	all := "0x0000002a /full /many /Empty"
	for _, test := range []struct {
		keys, want, foot string
	}{
		{"", all, "? keys  q quit  s sort  / filter"},
		{"s", "/full 0x0000002a /many /Empty", ""},
		{"s s", "/many /full 0x0000002a /Empty", ""},
		{"s s s", "0x0000002a /many /full /Empty", ""},
		{"s s s s", all, ""},
		{"/ e m", "/Empty", "show queues with: em_"},
		{`/ e m \x7f q ? s`, "", "show queues with: eq?s_"}, // not commands while the filter is typed
		{`/ \xc3 \xa9 \x7f m`, "/many /Empty", "show queues with: m_"},
		{`/ x \x15 m \r`, "/many /Empty", `with "m", Esc shows all  ? keys`},
		{`/ m \r s`, "/many /Empty", ""},
		{"/ p e r l", "/full", ""}, // waits there
		{`/ m \r escape`, all, ""},
		{"/ m escape", all, ""},
		{"? x", all, ""},
		{"? escape", all, ""},
		{"j k up down", all, ""},
	} {
		keys := strings.Fields(test.keys)
		for i, k := range keys {
			if s, err := strconv.Unquote(`"` + k + `"`); err == nil {
				keys[i] = s
			}
		}
		view := cli.View(80, 24, keys, gauges...)
		if got := strings.Join(shownQueues(view), " "); got != test.want {
			t.Errorf("%q: %q, want %q", test.keys, got, test.want)
		}
		if last := view[strings.LastIndex(view, "\n"):]; !strings.Contains(last, test.foot) {
			t.Errorf("%q: the last line is %q", test.keys, last)
		}
	}
}

func TestTopExplainsItself(t *testing.T) {
	help := strings.Split(cli.View(80, 24, []string{"?"}), "\n")
	if len(help) > 24 {
		t.Errorf("%d lines", len(help))
	}
	for _, l := range help {
		if n := utf8.RuneCountInString(l); n > 80 {
			t.Errorf("%d characters: %q", n, l)
		}
	}
	for _, want := range []string{"quit", "sort by", "FULL", "▲ in", "HISTORY", "any key goes back"} {
		if !strings.Contains(strings.Join(help, "\n"), want) {
			t.Errorf("it lacks %q", want)
		}
	}
}

func TestTopFitsOntoTheScreen(t *testing.T) {
	var gauges []cli.Gauge
	for range 50 {
		gauges = append(gauges, cli.Gauge{Address: "/a-name-that-is-longer-than-there-is-room-for", Messages: 1 << 40, Capacity: 1 << 41,
			In: 1e6, Out: 1e6, Net: 1, History: make([]float64, 120), Receivers: 3, BlockedSends: 4})
	}
	for _, width := range []int{46, 60, 72, 80, 90, 100, 120, 200} {
		lines := strings.Split(cli.View(width, 12, nil, gauges...), "\n")
		if len(lines) > 12 {
			t.Errorf("%d lines on a screen of 12", len(lines))
		}
		for _, l := range lines {
			if n := utf8.RuneCountInString(l); n > width {
				t.Errorf("%d characters on a screen of %d: %q", n, width, l)
			}
		}
		if width >= 72 && !strings.Contains(lines[3], "/a-name-that-is-longer-") {
			t.Errorf("%d columns: the name is cut: %q", width, lines[3])
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
		if got := cli.ShortNumber(n); got != want {
			t.Errorf("%g: %q instead of %q", n, got, want)
		}
	}
}
