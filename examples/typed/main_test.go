package main

import (
	"strings"
	"testing"

	"ipcmq/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m, map[string]func(){"main": main}) }

func TestValuesComeAndGo(t *testing.T) {
	b, err := testutil.Command(t, "main").Output()
	out := string(b)
	if err != nil {
		t.Fatalf("%v, after\n%s", err, out)
	}
	var want, lacking strings.Builder
	for _, p := range []struct{ language, rest string }{
		{"PHP", "not an invoice: a:1:{s:4:\"what\";s:20:\"PHP sends by default\";}\n"},
		{"Python", ""},
		{"Node", ""},
	} {
		if _, after, missing := strings.Cut(out, p.language+" is left out: "); missing {
			line, _, _ := strings.Cut(after, "\n")
			want.WriteString(p.language + " is left out: " + line + "\n")
			if p.language != "Node" { // svmq is not in Debian
				lacking.WriteString(" " + p.language)
			}
			continue
		}
		want.WriteString(p.language + ": order 1 costs 11.20\n" + p.language + ": order 2 costs 15.00\n" + p.rest)
	}
	want.WriteString("Go: order 4 is 1000018 bytes of JSON, has 20000 items, and costs 50000.00\n")
	if out != want.String() {
		t.Errorf("printed\n%s, not\n%s", out, want.String())
	}
	if lacking.Len() > 0 {
		testutil.Lacking(t, lacking.String())
	}
}
