package batch

import "time"

// Magic begins a frame.
const Magic = magic

// Frame returns a frame of payloads.
func Frame(payloads ...[]byte) []byte {
	frame := []byte(magic)
	for _, p := range payloads {
		frame = join(frame, p)
	}
	return frame
}

// Parse is parse.
var Parse = parse

// Wrap returns the payload of a message that was put back.
func Wrap(sequence uint64, attempts uint32, delay time.Duration, data []byte) []byte {
	return origin{sequence, attempts, delay}.wrap(data)
}

// Unwrap is unwrap.
func Unwrap(data []byte) (sequence uint64, attempts uint32, delay time.Duration, payload []byte, ok bool) {
	o, payload, ok := unwrap(data)
	return o.sequence, o.attempts, o.delay, payload, ok
}
