package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ipcmq/internal/testutil"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == childArg {
		exitOn(runChild(os.Args[2]))
		os.Exit(0)
	}
	if len(os.Args) == 3 && os.Args[1] == taskArg {
		exitOn(runTask(os.Args[2]))
		os.Exit(0)
	}
	testutil.Main(m, nil)
}

func TestEveryRowRuns(t *testing.T) {
	p, err := newPlan("", 0)
	if err != nil {
		t.Fatal(err)
	}
	p.curves = nil // see TestEveryCurveRuns
	b := bench{rounds: 1, quick: true}
	all, err := b.measure(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(all.Rows) + len(all.Trials) + len(all.Figures); n != len(p.names()) {
		t.Fatalf("%d rows, %d trials and %d figures; %d are planned", len(all.Rows), len(all.Trials), len(all.Figures), len(p.names()))
	}
	for _, r := range all.Rows {
		if r.Failed != "" {
			// Only software that is not installed may be missing.
			if !strings.HasPrefix(r.Layer, "Redis") || !strings.Contains(r.Failed, errNotThere.Error()) {
				t.Errorf("%s failed: %s", r.Name, r.Failed)
			}
			continue
		}
		// C takes at least a system call, and Go at least a channel operation, since a
		// channel may hold all messages before the first is timed. Nothing takes a whole
		// second.
		for what, ns := range map[string]float64{"C": r.C, "Go": r.NS} {
			if ns < 5 || ns > 1e9 {
				t.Errorf("%s: %s takes %v ns", r.Name, what, ns)
			}
		}
		if want := r.C / r.NS; r.Speed != (spread{want, want, want}) {
			t.Errorf("%s: speed %v of one round, want %v", r.Name, r.Speed, want)
		}
		if r.CPU <= 0 || r.CPUC <= 0 {
			t.Errorf("%s took no processor time: %+v", r.Name, r)
		}
		if (r.Kind == ours) != (len(r.Ahead) == 0) {
			t.Errorf("%s is compared with %v", r.Name, r.Ahead)
		}
		for layer, s := range r.Ahead {
			i := slices.IndexFunc(all.Rows, func(o result) bool { return o.Name == strings.Replace(r.Name, r.Layer, layer, 1) })
			if i < 0 {
				t.Errorf("%s is compared with %s, which is not measured", r.Name, layer)
			} else if want := r.NS / all.Rows[i].NS; s != (spread{want, want, want}) {
				t.Errorf("%s: %s is faster by %v, want %v", r.Name, layer, s, want)
			}
		}
	}
	for _, tried := range all.Trials {
		if tried.Found == "" || tried.Library == ownName && !tried.Passed {
			t.Errorf("%s, %s: %q", tried.Library, tried.Ability, tried.Found)
		}
	}
	for _, f := range all.Figures {
		if f.CancelP50 <= 0 || f.CancelP50 > f.CancelP99 || f.CancelP99 > f.CancelMax || f.TogetherP50 <= 0 {
			t.Errorf("%s: cancels took %v, %v, %v; together %v", f.Backend, f.CancelP50, f.CancelP99, f.CancelMax, f.TogetherP50)
		}
	}
	var tables bytes.Buffer
	writeTables(&tables, all)
	for _, r := range all.Rows {
		want := fmt.Sprintf("\n| %s | %d | **%.2f** |", r.Layer, r.Size, r.Speed.Median)
		if r.Failed != "" {
			want = fmt.Sprintf("\n| %s | %d | %s |", r.Layer, r.Size, r.Failed)
		} else if r.Group == alternativesGroup || r.Kind != ours {
			want = fmt.Sprintf("\n| %s | %d | %.2f | %s | %.0f |", r.Layer, r.Size, r.Speed.Median, r.Speed.span(), r.NS)
		}
		if !strings.Contains(tables.String(), want) {
			t.Errorf("no line %q in the tables", want)
		}
	}
	for _, tried := range all.Trials {
		if !strings.Contains(tables.String(), tried.Found) {
			t.Errorf("%q is not in the tables", tried.Found)
		}
	}
}

// A peer that fails or hangs has a row with the reason; the others go on.
func TestPeerThatFailsOrHangsDoesNotEndTheRun(t *testing.T) {
	b := bench{rounds: 2, quick: true, peerLimit: time.Second, exe: os.Args[0], programs: t.TempDir()}
	if err := buildC(t.Context(), b.programs); err != nil {
		t.Fatal(err)
	}
	mine, ok := systemV.contenderNamed(receive)
	if !ok {
		t.Fatal("no Receive")
	}
	broken := contender{name: "broken", kind: peer}
	oneWay := shapes[slices.IndexFunc(shapes, func(s shape) bool { return s.name == "one-way" })]
	c := contest{group: "sysv", backend: systemV, shape: oneWay, size: 64, contenders: []contender{mine, broken}}
	rows, err := b.contest(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if rows[0].Failed != "" || rows[0].NS <= 0 {
		t.Errorf("next to a failing peer: %+v", rows[0])
	}
	if want := `receive: no contender "broken"`; rows[1].Failed != want && rows[1].Failed != strings.Replace(want, "receive", "send", 1) {
		t.Errorf("peer failed with %q, want %q", rows[1].Failed, want)
	}

	// Nobody sends to it.
	waits := mine
	waits.kind = peer
	c.shape.ours, c.contenders = side{{role: take}}, []contender{waits}
	if rows, err = b.contest(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if want := "took longer than 1s"; rows[0].Failed != want {
		t.Errorf("peer failed with %q, want %q", rows[0].Failed, want)
	}

	// Ours must not fail.
	broken.kind = ours
	c.contenders = []contender{broken}
	if _, err = b.contest(t.Context(), c); err == nil {
		t.Error("a layer of ours failed, and the run went on")
	}
}

// Rows in which something else is faster come first, beginning with the worst.
func TestTablesBeginWithRowsWhereOthersAreFaster(t *testing.T) {
	half, twice := spread{0.5, 0.4, 0.6}, spread{2, 1, 3}
	rows := []result{
		{Title: "T", Shape: "S", Layer: receive, Kind: ours, Size: 64, Speed: spread{0.7, 0.6, 0.8}},
		{Title: "T", Shape: "S", Layer: all, Kind: ours, Size: 64, Speed: twice},
		{Title: "T", Shape: "S", Layer: "slow", Kind: peer, Size: 64, Speed: half, Ahead: map[string]spread{receive: twice}},
		{Title: "T", Shape: "S", Layer: "fast", Kind: peer, Size: 64, Speed: twice, Ahead: map[string]spread{receive: half, all: {0.9, 0.8, 1}}},
	}
	var out bytes.Buffer
	writeTables(&out, results{Rows: rows})
	want := []string{
		"| Receive | fast | T: S | 64 | **0.50** | 0.40 to 0.60 |",
		"| All | fast | T: S | 64 | **0.90** | 0.80 to 1.00 |",
		"| Receive | C | T: S | 64 | **0.70** | 0.60 to 0.80 |",
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		if strings.Contains(line, "| T: S |") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	out.Reset()
	writeTables(&out, results{Rows: rows[1:3]})
	if strings.Count(out.String(), "\nNone.\n") != 2 {
		t.Errorf("nothing is faster, but the tables say:\n%s", &out)
	}
}

func TestReasonIsTheFirstLineThatAProcessPrinted(t *testing.T) {
	exit := errors.New("exit status 2")
	for _, c := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("wrapped: %w", &processError{"p", exit, "benchmarks: take: it broke\nmore"}), "take: it broke"},
		{&processError{"p", exit, "panic: oh\n\ngoroutine 1"}, "panic: oh"},
		{&processError{"p", exit, ""}, "exit status 2"},
		{&processError{"go", exit, "# a/package\nx.go:1: wrong\n"}, "x.go:1: wrong"},
		{errNotThere, "not there"},
	} {
		if got := reason(c.err); got != c.want {
			t.Errorf("reason of %v is %q, want %q", c.err, got, c.want)
		}
	}
}

func TestWriteReplacesTheSummaryOnly(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "README.md")
	if err := os.WriteFile(path, readme, 0o644); err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(readme), summaryBegin)
	_, after, _ := strings.Cut(string(readme), summaryEnd)
	for _, ns := range []float64{123456.5, 654321.5} { // the second run replaces the first
		all := results{Rows: []result{{
			Name: "sysv/one-way/channel/64", Group: "sysv", Title: "System V", Shape: "a shape",
			Layer: channel, Kind: ours, Size: 64, NS: ns, Speed: spread{2.00004, 2, 2},
		}}}
		if err := all.write(dir); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s := string(got)
		if !strings.HasPrefix(s, before+summaryBegin) || !strings.HasSuffix(s, summaryEnd+after) {
			t.Errorf("text around the summary changed:\n%s", s)
		}
		line := fmt.Sprintf("\n| one way, channel of a stream | C | **2.00** | 2.00 to 2.00 | %.0f |\n", ns)
		if strings.Count(s, line) != 1 || strings.Count(s, "| one way, channel of a stream |") != 1 {
			t.Errorf("%q is not once in:\n%s", line, s)
		}
		tables, err := os.ReadFile(filepath.Join(dir, "results", "README.md"))
		if want := fmt.Sprintf("| %.0f |", ns); err != nil || strings.Count(string(tables), want) != 1 {
			t.Errorf("%q is not once in the tables, %v:\n%s", want, err, tables)
		}
		figures, err := os.ReadFile(filepath.Join(dir, "results", "latest.json"))
		if err != nil {
			t.Fatal(err)
		}
		var read results
		if err := json.Unmarshal(figures, &read); err != nil || len(read.Rows) != 1 {
			t.Fatalf("%v in:\n%s", err, figures)
		}
		if got, want := read.Rows[0], rounded(ns); got.NS != want || got.Speed.Median != 2 || got.Name != all.Rows[0].Name {
			t.Errorf("read %+v, want %v ns, rounded", got, want)
		}
		if !strings.Contains(string(figures), "\n{\"Name\":\"sysv/one-way/channel/64\",") {
			t.Errorf("the row has no line of its own:\n%s", figures)
		}
	}
}

// The rows of the summary can be measured.
func TestHighlightsAreRows(t *testing.T) {
	p, err := newPlan("", 0)
	if err != nil {
		t.Fatal(err)
	}
	names := p.names()
	for _, h := range highlights {
		if !slices.Contains(names, h.row) {
			t.Errorf("%q: no row %s", h.work, h.row)
		}
		if h.than == "" {
			continue
		}
		i := slices.IndexFunc(p.contests, func(c contest) bool {
			return slices.ContainsFunc(c.contenders, func(o contender) bool { return c.name(o) == h.row })
		})
		if i >= 0 && !slices.ContainsFunc(p.contests[i].contenders, func(o contender) bool { return o.name == h.than }) {
			t.Errorf("%q: %s is not measured with %s", h.work, h.than, h.row)
		}
	}
	for _, name := range mainPictures {
		if !slices.ContainsFunc(curves, func(c curve) bool { return c.name == name }) {
			t.Errorf("no curve %s", name)
		}
	}
}

func TestSpreadIsTheMedianWithTheExtremes(t *testing.T) {
	for _, c := range []struct {
		of   []float64
		want spread
	}{
		{[]float64{3}, spread{3, 3, 3}},
		{[]float64{9, 1, 2}, spread{2, 1, 9}},
		{[]float64{4, 1, 2, 9}, spread{3, 1, 9}},
	} {
		if got := spreadOf(c.of); got != c.want {
			t.Errorf("spread of %v is %v, want %v", c.of, got, c.want)
		}
	}
}

func TestPlanChoosesRows(t *testing.T) {
	for _, c := range []struct {
		pattern string
		size    int
		want    string // names, or what the error says
	}{
		{"^sysv/one-way/Receive/", 0, "sysv/one-way/Receive/64 sysv/one-way/Receive/1024 sysv/one-way/Receive/8192"},
		{"^sysv/one-way/Receive/", 64, "sysv/one-way/Receive/64"},
		{"^posix/figures", 0, "posix/figures"},
		{"^posix/one-way/raw", 0, "no row matches"},
		{"^sysv/one-way/hslam", 64, "sysv/one-way/ReceiveInto/64 sysv/one-way/Receive/64 sysv/one-way/hslam/ipc/64"},
		{"^alternatives/callers/NATS", 0, "alternatives/callers/Request/64 alternatives/callers/NATS/64"},
		{"^trial/sysv/hslam/ipc/empty", 0, "trial/sysv/hslam/ipc/empty"},
		{"figures|^trial", 64, "no row matches"},
		{"", 65, "none of"},
		{"(", 0, "missing closing"},
	} {
		p, err := newPlan(c.pattern, c.size)
		got := strings.Join(p.names(), " ")
		if err != nil {
			got = err.Error()
		}
		if got != c.want && (err == nil || !strings.Contains(got, c.want)) {
			t.Errorf("%q of size %d chooses %q, want %q", c.pattern, c.size, got, c.want)
		}
	}
}
