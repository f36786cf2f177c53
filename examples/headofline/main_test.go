package main

import (
	"testing"

	"ipcmq/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m, map[string]func(){"main": main}) }

func TestSlowSubscriberHoldsUpTheFastOneUnlessAvoided(t *testing.T) {
	out, err := testutil.Command(t, "main").Output()
	if err != nil {
		t.Fatalf("%v, after\n%s", err, out)
	}
	const want = `one reader, Block: OnSlow, type 1 has no room
  2 messages stay in the queue until slow reads; fast has 0
  slow reads "one"
  slow reads "two"
  slow reads "three"
  fast reads "hello"
  readers 1; slow: delivered 3, dropped 0, reader waited true; log: 4
one reader, DropNewest: OnSlow, type 1 has no room
  fast reads "hello"
  slow reads "one"
  readers 1; slow: delivered 1, dropped 2, reader waited false; log: 4
one reader, DropOldest: OnSlow, type 1 has no room
  fast reads "hello"
  slow reads "three"
  readers 1; slow: delivered 3, dropped 2, reader waited false; log: 4
a reader for each type, Block: OnSlow, type 1 has no room
  fast reads "hello"
  slow reads "one"
  slow reads "two"
  slow reads "three"
  readers 2; slow: delivered 3, dropped 0, reader waited true
`
	if got := string(out); got != want {
		t.Errorf("printed\n%s, not\n%s", got, want)
	}
}
