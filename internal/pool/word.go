package pool

// A word is what decides about a slot.
type word uint64

// States of a slot; others are garbage.
const (
	free = iota
	claimed
	taking
	lent
	returned
)

// The fields of a word, from bit 0 up.
const (
	lengthBits     = 24 // of the payload; of a free slot, bytes that are not the pattern
	generationBits = 24 // counts how often the slot was claimed or lent again
	ownerBits      = 10
	stateBits      = 3

	generationAt = lengthBits
	ownerAt      = generationAt + generationBits
	stateAt      = ownerAt + ownerBits

	narrow = word(1) << (stateAt + stateBits)     // the type has 32 bits
	unsure = word(1) << (stateAt + stateBits + 1) // the length is not certain
)

func field(w word, at, bits int) int { return int(w >> at & (1<<bits - 1)) }

func (w word) length() int     { return field(w, 0, lengthBits) }
func (w word) generation() int { return field(w, generationAt, generationBits) }
func (w word) owner() int      { return field(w, ownerAt, ownerBits) }
func (w word) state() int      { return field(w, stateAt, stateBits) }

func (w word) with(value, at, bits int) word {
	mask := word(1<<bits-1) << at
	return w&^mask | word(value)<<at&mask
}

func (w word) withLength(n int) word { return w.with(n, 0, lengthBits) }
func (w word) withState(s int) word  { return w.with(s, stateAt, stateBits) }
func (w word) withOwner(o int) word  { return w.with(o, ownerAt, ownerBits) }
func (w word) next() word            { return w.with(w.generation()+1, generationAt, generationBits) }

// since returns how often the generation was counted up since base.
func (w word) since(base int) int { return (w.generation() - base) & (1<<generationBits - 1) }
