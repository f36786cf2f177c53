package main

import (
	"slices"
	"strings"
	"testing"

	"ipcmq/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m, map[string]func(){"main": main}) }

func TestEachSideReceivesItsTypeInOrder(t *testing.T) {
	out, err := testutil.Command(t, "main").Output()
	if err != nil {
		t.Fatalf("%v, after\n%s", err, out)
	}
	got := strings.Split(strings.TrimSpace(string(out)), "\n")
	side := func(line string) string { return strings.SplitN(line, ":", 2)[0] }
	slices.SortStableFunc(got, func(a, b string) int { return strings.Compare(side(a), side(b)) })
	want := []string{
		"first: received type 200: message 1 from the second",
		"first: received type 200: message 2 from the second",
		"first: received type 200: message 3 from the second",
		"second: received type 100: message 1 from the first",
		"second: received type 100: message 2 from the first",
		"second: received type 100: message 3 from the first",
	}
	if !slices.Equal(got, want) {
		t.Errorf("printed\n%s\nnot, side by side,\n%s", out, strings.Join(want, "\n"))
	}
}
