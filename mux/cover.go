package mux

import "ipcmq/mq"

// cover returns the selectors of the readers that serve subscriptions with the
// wanted selectors: as few as possible, taking nothing that no subscription
// selects, and no type twice, so that each type keeps its order. Each wanted
// selector is covered by one of them.
func cover[V any](wanted map[mq.Selector]V) map[mq.Selector]bool {
	everything := map[mq.Selector]bool{mq.Any(): true}
	if _, ok := wanted[mq.Any()]; ok {
		return everything
	}
	var upTo, except mq.Selector // any while there is none
	for s := range wanted {
		switch s.Kind() {
		case mq.SelectUpTo:
			if s.Type() > upTo.Type() {
				upTo = s
			}
		case mq.SelectExcept:
			if except != mq.Any() {
				return everything // each takes what the other leaves
			}
			except = s
		}
	}
	readers := make(map[mq.Selector]bool)
	if except != mq.Any() {
		for s := range wanted {
			if s != except && s.Matches(except.Type()) {
				return everything
			}
		}
		readers[except] = true
		return readers
	}
	for s := range wanted {
		if s == upTo || upTo == mq.Any() || !upTo.Covers(s) {
			readers[s] = true
		}
	}
	return readers
}

// overlap reports whether there is a type that both select.
func overlap(a, b mq.Selector) bool {
	switch {
	case a.Kind() == mq.SelectType:
		return b.Matches(a.Type())
	case b.Kind() == mq.SelectType:
		return a.Matches(b.Type())
	case a.Kind() == mq.SelectUpTo && b.Kind() == mq.SelectExcept:
		return a.Type() > 1 || b.Type() > 1
	case a.Kind() == mq.SelectExcept && b.Kind() == mq.SelectUpTo:
		return overlap(b, a)
	}
	return true // any; two UpTo; two Except
}
