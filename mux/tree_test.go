package mux

import (
	"math/rand/v2"
	"testing"
)

// TestATreeIsAMap compares a tree with a map, and checks that older trees do
// not change.
func TestATreeIsAMap(t *testing.T) {
	var now, old *tree
	want, wantOld := map[int64]*Subscription{}, map[int64]*Subscription{}
	check := func(name string, tr *tree, want map[int64]*Subscription) {
		for typ := range int64(600) {
			got := tr.get(typ << (typ % 3 * 20))
			s := want[typ<<(typ%3*20)]
			if len(got) > 1 || len(got) == 1 && got[0] != s || len(got) == 0 && s != nil {
				t.Fatalf("%s: type %d has %v, want %p", name, typ, got, s)
			}
		}
	}
	for i := range 20_000 {
		typ := rand.Int64N(600)
		typ <<= typ % 3 * 20
		if rand.IntN(2) == 0 || i > 18_000 {
			delete(want, typ)
			now = now.with(typ, nil)
		} else {
			want[typ] = &Subscription{}
			now = now.with(typ, []*Subscription{want[typ]})
		}
		if i == 10_000 {
			old = now
			for typ, s := range want {
				wantOld[typ] = s
			}
		}
		if i%1000 == 0 {
			check("now", now, want)
		}
	}
	check("before", old, wantOld)
	for typ := range want {
		now = now.with(typ, nil)
	}
	if now != nil {
		t.Errorf("an empty tree is %+v", now)
	}
}
