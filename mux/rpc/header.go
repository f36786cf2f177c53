package rpc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"ipcmq/mq"
)

// The header of requests and replies; PROTOCOL.md specifies it.
const (
	headerVersion = 1
	headerSize    = 40
	maxAddress    = 255

	deadlineOffset = 24
	metadataOffset = 34 // of its length
)

// noDeadline is too far away for the header: in the year 2262.
var noDeadline = time.Unix(0, math.MaxInt64)

var headerMagic = [4]byte{'i', 'p', 'c', 'q'}

// kind is the kind of a message with a header.
type kind uint8

const (
	kindRequest kind = 1
	kindReply   kind = 2
	kindError   kind = 3
	kindPart    kind = 4 // one of many replies
	kindEnd     kind = 5 // after the last of them

	// To a server that sends many replies:
	kindMore kind = 7 // how many replies the client takes
	kindLeft kind = 8 // it takes no more
)

// header precedes the payload of a request or a reply.
type header struct {
	kind     kind
	code     Code // of an error
	id       uint64
	token    uint64
	deadline time.Time    // by the wall clock; zero: none
	address  string       // of the inbox, in requests
	number   uint64       // of one of many replies, or how many there are
	window   uint32       // of a request that takes many: how many at first
	due      mq.ClockTime // the deadline by the clock of the queue, if it has one
	dueAt    []byte       // where that stands in the message, of one that was parsed
	metadata Metadata
}

// size returns the size of the header with the address, the fields and the
// metadata.
func (h header) size() int {
	n, _ := h.metadata.size("") // checked before
	if h.due.ID != ([16]byte{}) {
		n += dueSize
	}
	if h.window != 0 {
		n += windowSize
	}
	return headerSize + len(h.address) + n
}

var (
	// errHeader: the bytes are not a request or reply of this version.
	errHeader = errors.New("not a request or reply")

	// errVersion: they may be one of another version.
	errVersion = fmt.Errorf("%w of version %d", errHeader, headerVersion)
)

// append adds the header and the payload to b.
func (h header) append(b, payload []byte) []byte {
	b = append(b, headerMagic[:]...)
	b = append(b, headerVersion, byte(h.kind))
	b = binary.LittleEndian.AppendUint16(b, uint16(h.code))
	b = binary.LittleEndian.AppendUint64(b, h.id)
	b = binary.LittleEndian.AppendUint64(b, h.token)
	number := h.number
	if h.kind <= kindError && !h.deadline.IsZero() && h.deadline.Before(noDeadline) {
		number = uint64(h.deadline.UnixNano())
	}
	b = binary.LittleEndian.AppendUint64(b, number)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(h.address)))
	size := h.size() - headerSize - len(h.address)
	b = binary.LittleEndian.AppendUint16(b, uint16(size))
	b = append(b, 0, 0, 0, 0)
	b = append(b, h.address...)
	if h.due.ID != ([16]byte{}) {
		b = appendDue(b, h.due)
	}
	if h.window != 0 {
		b = binary.LittleEndian.AppendUint32(appendField(b, fieldWindow, 4), h.window)
	}
	b = h.metadata.append(b)
	return append(b, payload...)
}

// parseHeader returns the header and the payload of a message. The payload is
// part of b. With errVersion, the kind, the id, the token and the address are known.
func parseHeader(b []byte) (header, []byte, error) {
	bad := func(format string, args ...any) (header, []byte, error) {
		return header{}, nil, fmt.Errorf("%w: %s", errHeader, fmt.Sprintf(format, args...))
	}
	if len(b) < headerSize {
		return bad("%d bytes, fewer than the %d of a header", len(b), headerSize)
	}
	if [4]byte(b) != headerMagic {
		return bad("it begins with %q instead of %q", b[:4], headerMagic[:])
	}
	h := header{
		kind:  kind(b[5]),
		code:  Code(binary.LittleEndian.Uint16(b[6:])),
		id:    binary.LittleEndian.Uint64(b[8:]),
		token: binary.LittleEndian.Uint64(b[16:]),
	}
	n := int(binary.LittleEndian.Uint16(b[32:]))
	if n > maxAddress || n > len(b)-headerSize {
		return bad("an address of %d bytes in a message of %d", n, len(b))
	}
	h.address = string(b[headerSize : headerSize+n])
	if b[4] != headerVersion { // the fields read so far are the same in all versions
		return h, nil, fmt.Errorf("%w: version %d", errVersion, b[4])
	}
	switch h.kind {
	case kindRequest, kindReply, kindError:
		if ns := int64(binary.LittleEndian.Uint64(b[deadlineOffset:])); ns != 0 {
			h.deadline = time.Unix(0, ns)
		}
	case kindPart, kindEnd, kindMore, kindLeft:
		h.number = binary.LittleEndian.Uint64(b[deadlineOffset:])
	default:
		return bad("kind %d", h.kind)
	}
	rest, m := b[headerSize+n:], int(binary.LittleEndian.Uint16(b[metadataOffset:]))
	if m > len(rest) {
		return bad("metadata of %d bytes in a message of %d", m, len(b))
	}
	if !h.parseMetadata(rest[:m]) {
		return bad("%d bytes that are not metadata", m)
	}
	return h, rest[m:], nil
}
