package mux

import (
	"slices"

	"ipcmq/mq"
)

// A routes says which subscriptions a message goes to: all that select it and
// have not ended. It is immutable and replaced as a whole, so reading one needs
// no lock.
type routes struct {
	wide      []*Subscription // that select more than one type
	byType    *tree           // the others
	types     int             // how many types they select
	unclaimed int             // how many want only what no other selects
}

// with returns routes to s as well.
func (r *routes) with(s *Subscription) *routes { return r.changed(s, 1) }

// without returns routes to all but s.
func (r *routes) without(s *Subscription) *routes { return r.changed(s, -1) }

func (r *routes) changed(s *Subscription, by int) *routes {
	change := func(list []*Subscription) []*Subscription {
		if by > 0 {
			return slices.Concat(list, []*Subscription{s})
		}
		return slices.DeleteFunc(slices.Clone(list), func(other *Subscription) bool { return other == s })
	}
	c := *r
	if s.cfg.Unclaimed {
		c.unclaimed += by
	}
	if s.selector.Kind() != mq.SelectType {
		c.wide = change(c.wide)
		return &c
	}
	t := s.selector.Type()
	before := c.byType.get(t)
	after := change(before)
	switch {
	case len(before) == 0:
		c.types++
	case len(after) == 0:
		c.types--
	}
	c.byType = c.byType.with(t, after)
	return &c
}

// of appends the subscriptions that select messages of type t to a list.
func (r *routes) of(t int64, list []*Subscription) []*Subscription {
	list = append(list, r.byType.get(t)...)
	for _, s := range r.wide {
		if s.selector.Matches(t) {
			list = append(list, s)
		}
	}
	return list
}

// alike returns the subscriptions that get messages of a lane for s, if each of
// them gets all these messages, and one has no Limit; otherwise nil.
func (r *routes) alike(s mq.Selector) []*Subscription {
	list := r.wide
	if s.Kind() == mq.SelectType {
		if len(r.wide) > 0 {
			return nil
		}
		list = r.byType.get(s.Type())
	} else if r.types > 0 || slices.ContainsFunc(list, func(other *Subscription) bool { return other.selector != s }) {
		return nil
	}
	if !slices.ContainsFunc(list, func(other *Subscription) bool { return other.cfg.Limit == 0 }) {
		return nil
	}
	return list
}
