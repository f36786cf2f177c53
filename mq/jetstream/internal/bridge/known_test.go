package bridge

import "testing"

func TestOnlyAcknowledgedMessagesAreForgotten(t *testing.T) {
	k := newKnown()
	const doubtful, first = 1, 2
	k.sent(0)
	k.sent(doubtful)
	for s := uint64(first); s < first+remembered; s++ {
		k.sent(s)
		k.confirmed(s)
	}
	if k.has(0) || !k.has(doubtful) || !k.has(first) || !k.has(first+remembered-1) {
		t.Errorf("0: %t, in doubt: %t, first: %t, last: %t", k.has(0), k.has(doubtful), k.has(first), k.has(first+remembered-1))
	}
	k.sent(first + remembered)
	k.confirmed(first + remembered)
	if k.has(first) || !k.has(first+1) || !k.has(doubtful) {
		t.Errorf("first: %t, second: %t, in doubt: %t", k.has(first), k.has(first+1), k.has(doubtful))
	}
	k.confirmed(doubtful)
	for s := uint64(1); s < remembered; s++ {
		k.confirmed(first + remembered + s)
	}
	if !k.has(doubtful) {
		t.Error("forgotten too soon")
	}
	if k.confirmed(first + 2*remembered); k.has(doubtful) {
		t.Error("not forgotten")
	}
}
