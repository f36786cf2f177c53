package mux

// A tree is an immutable map from types to subscriptions. A change copies the
// path to the changed leaf. nil is the empty tree.
type tree struct {
	typ  int64
	list []*Subscription // of a leaf
	kids *[16]*tree      // of a branch: four bits of the hash choose one
}

// hash also spreads types that are multiples of a number. No two types have the
// same hash.
func hash(typ int64) uint64 { return uint64(typ) * 0x9E3779B97F4A7C15 }

func (t *tree) get(typ int64) []*Subscription {
	for h := hash(typ); t != nil && t.kids != nil; h <<= 4 {
		t = t.kids[h>>60]
	}
	if t == nil || t.typ != typ {
		return nil
	}
	return t.list
}

// with returns a tree in which typ has the list, or no entry if the list is
// empty.
func (t *tree) with(typ int64, list []*Subscription) *tree { return t.set(0, typ, list) }

// set is with, for a tree below depth branches.
func (t *tree) set(depth int, typ int64, list []*Subscription) *tree {
	var kids [16]*tree
	switch {
	case t == nil || t.kids == nil && t.typ == typ:
		if len(list) == 0 {
			return nil
		}
		return &tree{typ: typ, list: list}
	case t.kids == nil:
		kids[hash(t.typ)<<(4*depth)>>60] = t
	default:
		kids = *t.kids
	}
	kid := &kids[hash(typ)<<(4*depth)>>60]
	*kid = (*kid).set(depth+1, typ, list)
	if kids == ([16]*tree{}) {
		return nil
	}
	return &tree{kids: &kids}
}
