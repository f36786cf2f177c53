package main

import (
	"slices"
	"strings"
	"testing"

	"ipcmq/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m, map[string]func(){"main": main}) }

func TestEveryListenerGetsItsEventsInOrder(t *testing.T) {
	out, err := testutil.Command(t, "main").Output()
	if err != nil {
		t.Fatalf("%v, after\n%s", err, out)
	}
	// The listeners print concurrently; each prints its own lines in order.
	got := strings.Split(strings.TrimSpace(string(out)), "\n")
	listener := func(line string) string { return strings.SplitN(line, ":", 2)[0] }
	slices.SortStableFunc(got, func(a, b string) int { return strings.Compare(listener(a), listener(b)) })
	want := []string{
		"emitter: ended, since the queue was removed: true",
		"ledger: type 2, a book",
		"ledger: type 2, a pen",
		"ledger: type 3, a pen",
		"ledger: type 2, ink",
		"on: order of a book",
		"on: order of a pen",
		"once: the emitter is ready",
		"unclaimed: type 42, from the neighbour",
	}
	if !slices.Equal(got, want) {
		t.Errorf("printed\n%s\nnot, listener by listener,\n%s", out, strings.Join(want, "\n"))
	}
}
