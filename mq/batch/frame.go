package batch

import "encoding/binary"

// magic begins a frame. It is not valid UTF-8, so no text begins so.
const magic = "\xba\x7c\xfe\x01"

// begins reports whether data begins like a frame.
func begins(data []byte) bool {
	return len(data) >= len(magic) && string(data[:len(magic)]) == magic
}

// parse returns how many messages the frame data holds, 0 if it is no frame.
// Only what join would have written is one.
func parse(data []byte) (messages int) {
	if !begins(data) {
		return 0
	}
	for rest := data[len(magic):]; len(rest) > 0; messages++ {
		n, k := binary.Uvarint(rest)
		if k <= 0 || k > 1 && rest[k-1] == 0 || n > uint64(len(rest)-k) {
			return 0
		}
		rest = rest[k+int(n):]
	}
	return messages
}

// cut returns the first message of what parse has accepted, and the rest.
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
