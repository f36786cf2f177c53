package batch

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
