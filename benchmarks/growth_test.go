package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryCurveRuns(t *testing.T) {
	p, err := newPlan("^growth/", 0)
	if err != nil {
		t.Fatal(err)
	}
	b := bench{rounds: 1, quick: true}
	all, err := b.measure(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Growth) != len(curves) {
		t.Fatalf("%d growths of %d curves", len(all.Growth), len(curves))
	}
	for i, g := range all.Growth {
		c := curves[i]
		for k, l := range g.Lines {
			if l.Name != c.lines[k].name || len(l.Points) != 2 || l.first().X != c.points[0] || l.last().X != c.points[len(c.points)-1] {
				t.Errorf("%s: line %d is not %s from %v: %+v", g.Name, k, c.lines[k].name, c.points, l)
			}
			for j, p := range l.Points {
				// So few messages may all come from a buffer; nothing takes a whole
				// second.
				if p.NS.Median < 5 || p.NS.Median > 1e9 {
					t.Errorf("%s: %s at %d takes %v ns", g.Name, l.Name, p.X, p.NS)
				}
				if want := g.Lines[0].Points[j].NS.Median / p.NS.Median; p.Speed.Median != want {
					t.Errorf("%s: speed of %s at %d is %v, want %v", g.Name, l.Name, p.X, p.Speed, want)
				}
				if timed := c.name == "callers"; timed != (p.P50 != nil) || timed && p.P50.Median < 500 {
					t.Errorf("%s: p50 of %s at %d is %v", g.Name, l.Name, p.X, p.P50)
				}
			}
		}
		threads := g.Lines[len(g.Lines)-1].last().Threads
		switch c.name {
		case "backlog":
			for _, l := range g.Lines[:2] { // they take a hundred times as long
				if l.last().NS.Median < 5*l.first().NS.Median {
					t.Errorf("%s: %s takes %v ns, and %v ns behind 10000 messages", g.Name, l.Name, l.first().NS, l.last().NS)
				}
			}
		case "waiting-types":
			if threads < 1000 {
				t.Errorf("%s: 1000 goroutines wait in %d threads", g.Name, threads)
			}
		case "waiting-any", "waiting-posix", "types":
			if threads == 0 || threads > 100 {
				t.Errorf("%s: %d threads", g.Name, threads)
			}
		}
	}
	dir := t.TempDir()
	if err := writePictures(dir, all.Growth); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	writeTables(&text, all)
	for _, g := range all.Growth {
		for _, p := range g.pictures() {
			if _, err := os.Stat(filepath.Join(dir, p.file)); err != nil {
				t.Error(err)
			}
			if !strings.Contains(text.String(), "("+p.file+")") {
				t.Errorf("%s is not shown in:\n%s", p.file, text.String())
			}
		}
		if !strings.Contains(text.String(), g.sentence()) {
			t.Errorf("no sentence of %s", g.Name)
		}
	}
}

// Unexpected messages end a run, whoever receives them.
func TestWrongMessagesEndTheRun(t *testing.T) {
	b := newBench(t)
	other := func(s worker) worker { s.From = 1; return s } // numbers of another sender
	for _, c := range []struct {
		name    string
		receive worker
		send    worker
	}{
		{"C, number", worker{task: task{Act: actReceive}, inC: true}, other(worker{task: task{Act: actSend}, inC: true})},
		{"Go, number", worker{task: task{Act: actReceive}}, other(worker{task: task{Act: actSend}})},
		{"C, type", worker{task: task{Act: actReceive}, inC: true}, worker{task: task{Act: actSend, Types: 2}, inC: true}},
		{"C, size", worker{task: task{Act: actReceive}, inC: true}, worker{task: task{Act: actSend, Size: 65}}},
		{"Go, size", worker{task: task{Act: actReceive}}, worker{task: task{Act: actSend, Size: 65}}},
		{"C, gathered size", worker{task: task{Act: actGather}, inC: true}, worker{task: task{Act: actSend, Size: 65}}},
		{"Go, gathered size", worker{task: task{Act: actGather}}, worker{task: task{Act: actSend, Size: 65}}},
	} {
		l := line{backend: systemV, workers: func(_ int, t task) []worker {
			all := []worker{c.receive, c.send}
			for i := range all {
				w := &all[i]
				w.There, w.Back, w.Backend = t.There, t.Back, t.Backend
				w.Size, w.Types = max(w.Size, t.Size), max(w.Types, t.Types)
				w.Warm, w.Count, w.Threads = t.Warm, t.Count, t.Threads
			}
			return all
		}}
		_, err := b.work(t.Context(), l, 1, b.task(curve{}, 1))
		if err == nil || !strings.Contains(err.Error(), "is not what was sent") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestMessagesOfSendersAndReceiversMustAgree(t *testing.T) {
	workers := []worker{{task: task{Act: actGather, Count: 5}}, {task: task{Act: actSend, Warm: 1, Count: 2}}, {task: task{Act: actSend, Count: 3}}}
	for taken, ok := range map[int64]bool{5: false, 6: true, 7: false} {
		if _, err := sum(workers, []tally{{Taken: taken}, {}, {}}); (err == nil) != ok {
			t.Errorf("6 sent and %d received: %v", taken, err)
		}
	}
}

func TestPointsCompareRoundByRound(t *testing.T) {
	first := []tally{{perMessage: 10}, {perMessage: 20}, {perMessage: 30}}
	rounds := []tally{{perMessage: 20, P50: 7, Threads: 3}, {perMessage: 20, P50: 9, Threads: 4}, {perMessage: 10, P50: 8, Threads: 2}}
	got := newPoint(64, first, rounds)
	if got.X != 64 || got.NS != (spread{20, 10, 20}) || got.Speed != (spread{1, 0.5, 3}) || *got.P50 != (spread{8, 7, 9}) || got.Threads != 4 {
		t.Errorf("%+v with p50 %v", got, got.P50)
	}
	if got := newPoint(64, first, first); got.P50 != nil || got.Speed != (spread{1, 1, 1}) {
		t.Errorf("%+v", got)
	}
}

func TestNumbersFitIntoPayloadsOfAnySize(t *testing.T) {
	for size := range 10 {
		data := make([]byte, size)
		putNumber(data, 3<<fromShift|0x102)
		if !hasNumber(data, 3<<fromShift|0x102) {
			t.Errorf("%d bytes lack their number: %x", size, data)
		}
		if other := hasNumber(data, 3<<fromShift|0x103); size > 0 && other {
			t.Errorf("%d bytes have another number: %x", size, data)
		}
		if size >= 8 {
			if from, n := splitNumber(data); from != 3 || n != 0x102 {
				t.Errorf("%x is message %d of sender %d", data, n, from)
			}
		}
	}
}

func TestPicturesShowTheSpreadAndBothEnds(t *testing.T) {
	line := func(name string, factor float64) grown {
		l := grown{Name: name}
		for _, x := range []int{0, 10, 10_000} {
			ns := factor * float64(500+x)
			l.Points = append(l.Points, point{X: x, NS: spread{ns, ns / 2, ns * 2}, Speed: spread{1 / factor, 1 / factor, 1 / factor}})
		}
		return l
	}
	g := growth{Name: "size", Title: "A title", Axis: "things", Unit: "things", Of: "message", Lines: []grown{line("C", 1), line("Go", 2)}}
	svg, err := g.pictures()[0].svg()
	if err != nil {
		t.Fatal(err)
	}
	if len(svg) > 60_000 {
		t.Errorf("picture of %d bytes", len(svg))
	}
	for d := xml.NewDecoder(bytes.NewReader(svg)); err == nil; {
		_, err = d.Token()
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("not XML: %v", err)
	}
	for _, want := range []string{"A title", ">things<", "time of a message, µs", ">C<", ">Go<", ">0<", ">10000<", "fill:#FFFFFF", "fill-opacity"} {
		if !strings.Contains(string(svg), want) {
			t.Errorf("no %s in:\n%s", want, svg)
		}
	}
	want := "From 0 to 10000 things: C from 500 ns to 10 µs (21 times); Go from 1.0 µs to 21 µs (21 times). Speed (C = 1): Go 0.50 to 0.50."
	if got := g.sentence(); got != want {
		t.Errorf("sentence is\n%s, want\n%s", got, want)
	}
	g.Rate = true
	if got := fmt.Sprint(*g.pictures()[0].of(g.Lines[0].Points[0])); got != "{2000 1000 4000}" {
		t.Errorf("250 to 1000 ns are %s thousand per second", got)
	}
}

// Threads are measured exactly, bytes approximately.
func TestMemoryOfManyIsMeasured(t *testing.T) {
	b := newBench(t)
	for _, k := range backends {
		all, err := b.memory(t.Context(), k)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range all {
			waits := f.Name == "subscription with a reader of its own" // streams of one handle share a few threads
			if low, high := f.Threads > 0.5, f.Threads < 1.5; waits && !low || !high || !waits && f.Threads > 0.3 {
				t.Errorf("%s: each %s takes %v threads", k.name, f.Name, f.Threads)
			}
			if f.Bytes < 1<<10 || f.Bytes > 1<<20 {
				t.Errorf("%s: each %s takes %v bytes", k.name, f.Name, f.Bytes)
			}
		}
	}
}

// newBench returns a bench with its C programs.
func newBench(t *testing.T) *bench {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{exe: exe, programs: t.TempDir(), rounds: 1, quick: true}
	if err := buildC(t.Context(), b.programs); err != nil {
		t.Fatal(err)
	}
	return b
}
