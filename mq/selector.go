package mq

import "strconv"

// SelectorKind is one of the four ways in which a [Selector] chooses.
type SelectorKind uint8

// The kinds of selectors, with the msgtyp argument of msgrcv(2) they stand for.
const (
	SelectAny    SelectorKind = iota // msgtyp = 0
	SelectType                       // msgtyp > 0
	SelectUpTo                       // msgtyp < 0
	SelectExcept                     // msgtyp > 0 with MSG_EXCEPT
)

// A Selector chooses which messages a receiver takes. The zero value is [Any].
// Selectors are comparable with ==.
type Selector struct {
	kind SelectorKind
	typ  int64
}

// Any selects every message, the oldest first (on a POSIX queue: the highest
// priority first).
func Any() Selector { return Selector{} }

// Type selects messages of type t, the oldest first. t is 1 or more.
func Type(t int64) Selector { return Selector{SelectType, t} }

// UpTo selects messages of the types 1 to t, the lowest type first and within a
// type the oldest first. t is 1 or more.
func UpTo(t int64) Selector { return Selector{SelectUpTo, t} }

// Except selects messages of every type but t, the oldest first. t is 1 or more.
func Except(t int64) Selector { return Selector{SelectExcept, t} }

// Kind returns how s chooses.
func (s Selector) Kind() SelectorKind { return s.kind }

// Type returns the type that s was made with, 0 for [Any].
func (s Selector) Type() int64 { return s.typ }

// Matches reports whether s selects messages of type t.
func (s Selector) Matches(t int64) bool {
	switch s.kind {
	case SelectType:
		return t == s.typ
	case SelectUpTo:
		return t <= s.typ
	case SelectExcept:
		return t != s.typ
	}
	return true
}

// Covers reports whether s selects every message that other selects.
func (s Selector) Covers(other Selector) bool {
	if s == other || s.kind == SelectAny {
		return true
	}
	switch other.kind {
	case SelectType:
		return s.Matches(other.typ)
	case SelectUpTo:
		// UpTo(t) holds exactly the types 1 to t.
		return s.kind == SelectUpTo && other.typ <= s.typ || s.kind == SelectExcept && other.typ < s.typ ||
			s.kind == SelectType && s.typ == 1 && other.typ == 1
	}
	return false
}

// Validate returns nil if s can be used, and otherwise an error that matches
// [ErrInvalidType]: types begin at 1. System V would read msgtyp 0 and negative
// types as something else, and ignore MSG_EXCEPT with them.
func (s Selector) Validate() error {
	if s.kind == SelectAny || s.typ >= 1 {
		return nil
	}
	return &Error{Op: "select", Kind: ErrInvalidType,
		Detail: "selector " + s.String() + ": message types begin at 1; use Any for all types"}
}

// String returns s as "any", "type 5", "up to type 5" or "except type 5".
func (s Selector) String() string {
	n := strconv.FormatInt(s.typ, 10)
	switch s.kind {
	case SelectType:
		return "type " + n
	case SelectUpTo:
		return "up to type " + n
	case SelectExcept:
		return "except type " + n
	}
	return "any"
}
