package bridge

// remembered is how many acknowledged messages are remembered. A server that fails
// may forget the last acknowledgments, and lend those messages again when their
// leases have run out.
const remembered = 1 << 16

// known has the sequences of messages that were sent and must not be sent again: all
// that are not acknowledged, and the last ones that are. Sequences begin at 1; 0 means
// unknown.
type known struct {
	sequences    map[uint64]struct{}
	acknowledged []uint64 // a ring
	next         int
}

func newKnown() *known {
	return &known{sequences: make(map[uint64]struct{}), acknowledged: make([]uint64, remembered)}
}

func (k *known) has(sequence uint64) bool {
	_, ok := k.sequences[sequence]
	return ok
}

// sent adds a message.
func (k *known) sent(sequence uint64) {
	if sequence != 0 {
		k.sequences[sequence] = struct{}{}
	}
}

// confirmed records that a message was acknowledged, and forgets an older one.
func (k *known) confirmed(sequence uint64) {
	delete(k.sequences, k.acknowledged[k.next])
	k.acknowledged[k.next] = sequence
	k.next = (k.next + 1) % len(k.acknowledged)
}
