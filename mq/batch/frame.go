package batch

import (
	"encoding/binary"
	"math"
	"time"
)

// Everything that this package adds to payloads begins with mark. It is not valid
// UTF-8, so no text begins with it.
const (
	mark         = "\xba\x7c\xfe"
	magic        = mark + "\x01" // of a frame
	putBackMagic = mark + "\x02" // of a message that was put back, see origin
)

// maxMessages is how many messages a frame holds at most, so that the position
// of a message in its frame has 16 bits.
const maxMessages = 1 << 16

// begins reports whether data begins with the mark of this package.
func begins(data []byte) bool {
	return len(data) >= len(mark) && string(data[:len(mark)]) == mark
}

// uvarint returns the number at the beginning of data and its length in bytes,
// which is 0 if there is none or it is not minimal.
func uvarint(data []byte) (n uint64, bytes int) {
	n, bytes = binary.Uvarint(data)
	if bytes < 0 || bytes > 1 && data[bytes-1] == 0 {
		return 0, 0
	}
	return n, bytes
}

// parse returns how many messages the frame data holds, or 0 if it is not a
// frame. It accepts only what join would have written.
func parse(data []byte) (messages int) {
	if len(data) < len(magic) || string(data[:len(magic)]) != magic {
		return 0
	}
	for rest := data[len(magic):]; len(rest) > 0; messages++ {
		n, k := uvarint(rest)
		if k == 0 || n > uint64(len(rest)-k) || messages == maxMessages {
			return 0
		}
		rest = rest[k+int(n):]
	}
	return messages
}

// cut splits messages that parse has accepted into the first and the rest.
func cut(messages []byte) (data, rest []byte) {
	n, k := uint64(messages[0]), 1
	if n >= 0x80 {
		n, k = binary.Uvarint(messages)
	}
	end := k + int(n)
	return messages[k:end:end], messages[end:]
}

// join appends a message to a frame.
func join(frame, data []byte) []byte {
	return append(binary.AppendUvarint(frame, uint64(len(data))), data...)
}

// room returns how many bytes of a frame a message of n bytes takes.
func room(n int) int {
	bytes := 1 + n
	for ; n >= 0x80; n >>= 7 {
		bytes++
	}
	return bytes
}

// An origin is what a message of a frame keeps when it is put back as a single
// message.
type origin struct {
	sequence uint64
	attempts uint32        // how often it was lent
	delay    time.Duration // for which the first taker gives it back; in whole milliseconds
}

// wrap returns the payload of a message that is put back.
func (o origin) wrap(data []byte) []byte {
	b := append(make([]byte, 0, len(putBackMagic)+3*binary.MaxVarintLen64+len(data)), putBackMagic...)
	b = binary.AppendUvarint(b, o.sequence)
	b = binary.AppendUvarint(b, uint64(o.attempts))
	b = binary.AppendUvarint(b, uint64((o.delay+time.Millisecond-1)/time.Millisecond))
	return append(b, data...)
}

// unwrap is the reverse of wrap. ok is false if data does not come from wrap.
func unwrap(data []byte) (o origin, payload []byte, ok bool) {
	if len(data) < len(putBackMagic) || string(data[:len(putBackMagic)]) != putBackMagic {
		return o, nil, false
	}
	rest := data[len(putBackMagic):]
	var numbers [3]uint64
	for i, most := range []uint64{math.MaxUint64, math.MaxInt32, math.MaxInt64 / uint64(time.Millisecond)} {
		n, k := uvarint(rest)
		if k == 0 || n > most {
			return o, nil, false
		}
		numbers[i], rest = n, rest[k:]
	}
	return origin{numbers[0], uint32(numbers[1]), time.Duration(numbers[2]) * time.Millisecond}, rest, true
}
