package main

import "encoding/binary"

// fromShift is how many low bits of the number at the start of a payload count
// messages; the bits above are the number of the sender.
const fromShift = 40

// putNumber writes n at the start of data, or as much of it as fits.
func putNumber(data []byte, n int64) {
	if len(data) >= 8 {
		binary.NativeEndian.PutUint64(data, uint64(n))
		return
	}
	b := binary.NativeEndian.AppendUint64(nil, uint64(n))
	copy(data, b)
}

// hasNumber reports whether data begins with the number, as written by putNumber.
func hasNumber(data []byte, n int64) bool {
	if len(data) >= 8 {
		return binary.NativeEndian.Uint64(data) == uint64(n)
	}
	return hasShortNumber(data, n)
}

func hasShortNumber(data []byte, n int64) bool {
	b := binary.NativeEndian.AppendUint64(nil, uint64(n))
	return string(data) == string(b[:len(data)])
}

// splitNumber returns the sender and the number of a message of 8 bytes or more.
func splitNumber(data []byte) (from, n int64) {
	v := int64(binary.NativeEndian.Uint64(data))
	return v >> fromShift, v & (1<<fromShift - 1)
}
