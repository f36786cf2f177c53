package pool

import "testing"

// Programs of 32 and of 64 bits share a pool.
func TestTheLayoutIsTheSameEverywhere(t *testing.T) {
	got, _ := layoutOf(3, 8192)
	want := layout{slots: 3, room: 8192, owners: 4096, words: 20480, due: 28696, meta: 36912, empties: 69776,
		slot: 81920, stride: 8256, size: 110592 + 1719}
	if got != want {
		t.Errorf("got %+v\nwant %+v: a change needs another version", got, want)
	}
	for _, bad := range [][2]int{{0, 1}, {MaxSlots + 1, 1}, {1, -1}, {1, MaxRoom + 1}} {
		if l, ok := layoutOf(bad[0], bad[1]); ok {
			t.Errorf("%v: got %+v", bad, l)
		}
	}
}

func TestFieldsOfAWordAreApart(t *testing.T) {
	w := (word(0).withLength(1<<24 - 1).withOwner(1023).withState(returned)) | narrow | unsure
	for range 1<<generationBits + 3 {
		w = w.next()
	}
	if w.length() != 1<<24-1 || w.owner() != 1023 || w.state() != returned || w.generation() != 3 || w&narrow == 0 || w&unsure == 0 {
		t.Errorf("%x: length %d, owner %d, state %d, generation %d", w, w.length(), w.owner(), w.state(), w.generation())
	}
	if n := w.since(1<<24 - 2); n != 5 {
		t.Errorf("counted %d from there", n)
	}
}
