package mux_test

import (
	"fmt"
	"testing"

	"ipcmq/mq"
	"ipcmq/mux"
)

// selectors returns all selectors of the types 1 to n, and Any.
func selectors(n int64) []mq.Selector {
	list := []mq.Selector{mq.Any()}
	for t := int64(1); t <= n; t++ {
		list = append(list, mq.Type(t), mq.UpTo(t), mq.Except(t))
	}
	return list
}

// TestCoverTakesWhatIsWantedOnce tries every set of up to four selectors.
func TestCoverTakesWhatIsWantedOnce(t *testing.T) {
	const types = 4
	all := selectors(types)
	check := func(wanted map[mq.Selector]int) error {
		readers := mux.Cover(wanted)
		for typ := int64(1); typ <= types+2; typ++ {
			want, takers := 0, 0
			for s := range wanted {
				if s.Matches(typ) {
					want = 1
				}
			}
			for s := range readers {
				if s.Matches(typ) {
					takers++
				}
			}
			if takers != want {
				return fmt.Errorf("%v: readers %v: type %d is taken by %d, want %d", wanted, readers, typ, takers, want)
			}
		}
		for s := range wanted {
			covered := false
			for r := range readers {
				covered = covered || r.Covers(s)
			}
			if !covered {
				return fmt.Errorf("%v: readers %v: none covers %v", wanted, readers, s)
			}
		}
		return nil
	}
	for _, a := range all {
		for _, b := range all {
			for _, c := range all {
				for _, d := range all {
					if err := check(map[mq.Selector]int{a: 1, b: 1, c: 1, d: 1}); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	if got := mux.Cover(nil); len(got) != 0 {
		t.Errorf("no subscriptions need readers %v", got)
	}
}

func TestCoverIsSmall(t *testing.T) {
	for _, c := range []struct {
		wanted []mq.Selector
		want   int
	}{
		{[]mq.Selector{mq.Type(1), mq.Type(2), mq.Type(3)}, 3},
		{[]mq.Selector{mq.Type(1), mq.Type(2), mq.UpTo(2)}, 1},
		{[]mq.Selector{mq.Type(3), mq.UpTo(2)}, 2},
		{[]mq.Selector{mq.UpTo(7), mq.UpTo(2), mq.Type(7)}, 1},
		{[]mq.Selector{mq.Except(3), mq.UpTo(2), mq.Type(9)}, 1},
		{[]mq.Selector{mq.Except(3), mq.Type(3)}, 1},
		{[]mq.Selector{mq.Except(3), mq.Except(4)}, 1},
		{[]mq.Selector{mq.Any(), mq.Type(1), mq.UpTo(2), mq.Except(3)}, 1},
	} {
		wanted := make(map[mq.Selector]int)
		for _, s := range c.wanted {
			wanted[s]++
		}
		if got := mux.Cover(wanted); len(got) != c.want {
			t.Errorf("%v: %d readers, want %d: %v", c.wanted, len(got), c.want, got)
		}
	}
}

func TestOverlapIsTrueIfATypeIsInBoth(t *testing.T) {
	const types = 5
	for _, a := range selectors(types) {
		for _, b := range selectors(types) {
			want := false
			for typ := int64(1); typ <= types+3; typ++ {
				want = want || a.Matches(typ) && b.Matches(typ)
			}
			if got := mux.Overlap(a, b); got != want {
				t.Errorf("%v and %v: %v, want %v", a, b, got, want)
			}
		}
	}
}
