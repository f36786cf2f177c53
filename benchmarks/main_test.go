package main

import (
	"bytes"
	"fmt"
	"os"
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
