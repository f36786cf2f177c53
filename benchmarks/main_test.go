package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ipcmq/internal/testutil"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == childArg {
		exitOn(runChild(os.Args[2]))
		os.Exit(0)
	}
	testutil.Main(m, nil)
}

func TestEveryRowRuns(t *testing.T) {
	p, err := newPlan("", 0)
	if err != nil {
		t.Fatal(err)
	}
	b := bench{pairs: 1, quick: true}
	all, err := b.measure(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Rows) != len(p.rows) || len(all.Figures) != len(p.figures) {
		t.Fatalf("%d rows and %d figures of %d and %d", len(all.Rows), len(all.Figures), len(p.rows), len(p.figures))
	}
	for _, r := range all.Rows {
		// Nothing takes less than a system call or as long as a second.
		for what, ns := range map[string]float64{"C": r.C, "Go": r.Ours} {
			if ns < 50 || ns > 1e9 {
				t.Errorf("%s: %s takes %v ns", r.Name, what, ns)
			}
		}
		if want := r.C / r.Ours; r.Speed != (spread{want, want, want}) {
			t.Errorf("%s: speed %v of one pair, want %v", r.Name, r.Speed, want)
		}
		if r.CPU <= 0 || r.CPUC <= 0 {
			t.Errorf("%s took no processor time: %+v", r.Name, r)
		}
	}
	for _, f := range all.Figures {
		if f.CancelP50 <= 0 || f.CancelP50 > f.CancelP99 || f.CancelP99 > f.CancelMax {
			t.Errorf("%s: cancels took %v, %v, %v", f.Backend, f.CancelP50, f.CancelP99, f.CancelMax)
		}
	}
	var tables bytes.Buffer
	writeTables(&tables, all)
	for _, r := range all.Rows {
		if want := fmt.Sprintf("\n| %s | %d | **%.2f** |", r.Layer, r.Size, r.Speed.Median); !strings.Contains(tables.String(), want) {
			t.Errorf("no line %q in the tables", want)
		}
	}
}

func TestWriteReplacesTheTablesOnly(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "README.md")
	if err := os.WriteFile(path, readme, 0o644); err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(readme), tablesBegin)
	_, after, _ := strings.Cut(string(readme), tablesEnd)
	for _, ns := range []float64{123456, 654321} { // the second run replaces the first
		all := results{Rows: []result{{Backend: "System V", Shape: "a shape", Layer: receive, Size: 64, Ours: ns}}}
		if err := all.write(dir); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s := string(got)
		if !strings.HasPrefix(s, before+tablesBegin) || !strings.HasSuffix(s, tablesEnd+after) {
			t.Errorf("text around the tables changed:\n%s", s)
		}
		if n := fmt.Sprintf("| %.0f |", ns); strings.Count(s, n) != 1 {
			t.Errorf("%q is not once in:\n%s", n, s)
		}
		if strings.Count(s, "### ") != 1 {
			t.Errorf("an old table is left in:\n%s", s)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "results", "latest.json")); err != nil {
		t.Error(err)
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
		{"figures", 64, "no row matches"},
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
