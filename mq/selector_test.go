package mq_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"ipcmq/mq"
)

// The tests use selectors of the types 1 to most; there are more types than
// those, which decides what Except covers.
const most, beyond = 6, 9

func selectors() []mq.Selector {
	all := []mq.Selector{mq.Any()}
	for t := int64(1); t <= most; t++ {
		all = append(all, mq.Type(t), mq.UpTo(t), mq.Except(t))
	}
	return all
}

func TestSelectorMatchesWhatMsgrcvWouldTake(t *testing.T) {
	for _, s := range selectors() {
		for typ := int64(1); typ <= beyond; typ++ {
			var want bool
			switch s.Kind() { // the table of msgtyp in msgrcv(2)
			case mq.SelectAny:
				want = true
			case mq.SelectType:
				want = typ == s.Type()
			case mq.SelectUpTo:
				want = typ <= s.Type()
			case mq.SelectExcept:
				want = typ != s.Type()
			}
			if got := s.Matches(typ); got != want {
				t.Errorf("(%v).Matches(%d) = %v", s, typ, got)
			}
		}
	}
}

func TestSelectorCoversSelectorsThatMatchNoMore(t *testing.T) {
	for _, s := range selectors() {
		for _, other := range selectors() {
			want := true
			for typ := int64(1); typ <= beyond; typ++ {
				if other.Matches(typ) && !s.Matches(typ) {
					want = false
				}
			}
			if got := s.Covers(other); got != want {
				t.Errorf("(%v).Covers(%v) = %v", s, other, got)
			}
		}
	}
}

func TestSelectorsCompareByWhatTheyWereMadeWith(t *testing.T) {
	var zero mq.Selector
	if zero != mq.Any() {
		t.Error("the zero Selector is not Any")
	}
	for i, a := range selectors() {
		for j, b := range selectors() {
			if (a == b) != (i == j) {
				t.Errorf("(%v == %v) = %v", a, b, a == b)
			}
		}
	}
}

func TestSelectorSaysWhatItIs(t *testing.T) {
	for _, test := range []struct {
		s    mq.Selector
		kind mq.SelectorKind
		typ  int64
		text string
	}{
		{mq.Any(), mq.SelectAny, 0, "any"},
		{mq.Type(5), mq.SelectType, 5, "type 5"},
		{mq.UpTo(7), mq.SelectUpTo, 7, "up to type 7"},
		{mq.Except(math.MaxInt64), mq.SelectExcept, math.MaxInt64, "except type 9223372036854775807"},
		{mq.Type(-1), mq.SelectType, -1, "type -1"},
	} {
		if test.s.Kind() != test.kind || test.s.Type() != test.typ || test.s.String() != test.text {
			t.Errorf("kind %d, type %d, %q; want %+v", test.s.Kind(), test.s.Type(), test.s, test)
		}
	}
}

func TestSelectorsOfTypesBelowOneAreInvalid(t *testing.T) {
	for _, s := range selectors() {
		if err := s.Validate(); err != nil {
			t.Errorf("%v: %v", s, err)
		}
	}
	for _, typ := range []int64{0, -1, math.MinInt64} {
		for _, s := range []mq.Selector{mq.Type(typ), mq.UpTo(typ), mq.Except(typ)} {
			err := s.Validate()
			if !errors.Is(err, mq.ErrInvalidType) {
				t.Errorf("%v: %v", s, err)
			}
			want := fmt.Sprintf("mq: select: selector %v: message types begin at 1; use Any for all types", s)
			if err != nil && err.Error() != want {
				t.Errorf("%v: %v", s, err)
			}
		}
	}
}

func TestAccessSaysWhatItAllows(t *testing.T) {
	for _, test := range []struct {
		a             mq.Access
		receive, send bool
		text          string
	}{
		{mq.ReadWrite, true, true, "read-write"},
		{mq.ReadOnly, true, false, "read-only"},
		{mq.WriteOnly, false, true, "write-only"},
		{mq.Access(3), false, false, "invalid"},
	} {
		if test.a.CanReceive() != test.receive || test.a.CanSend() != test.send || test.a.String() != test.text {
			t.Errorf("%v: CanReceive %v, CanSend %v; want %+v", test.a, test.a.CanReceive(), test.a.CanSend(), test)
		}
	}
}
