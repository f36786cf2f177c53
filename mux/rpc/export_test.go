package rpc

import (
	"time"

	"ipcmq/mq"
)

var ParseHeader = parseHeader

type (
	Header = header
	Kind   = kind
)

const (
	KindRequest = kindRequest
	KindReply   = kindReply
	KindError   = kindError
)

// Address returns the address of the inbox.
func (h header) Address() string { return h.address }

// Deadline returns the deadline of a request.
func (h header) Deadline() time.Time { return h.deadline }

// Append adds the header and the payload to b.
func (h header) Append(b, payload []byte) []byte { return h.append(b, payload) }

// MakeHeader returns a header with these fields.
func MakeHeader(k Kind, c Code, id, token uint64, deadline time.Time, address string) Header {
	return header{kind: k, code: c, id: id, token: token, deadline: deadline, address: address}
}

// NewHeader returns a request with an empty payload.
func NewHeader(address string) []byte {
	return header{kind: kindRequest, id: 1, token: 2, address: address}.append(nil, nil)
}

// MakeHeaderWith returns the header of a request with metadata.
func MakeHeaderWith(address string, md Metadata) Header {
	return header{kind: kindRequest, id: 1, token: 2, address: address, metadata: md}
}

// Metadata returns the metadata.
func (h header) Metadata() Metadata { return h.metadata }

// Due returns the deadline by the clock of the queue.
func (h header) Due() mq.ClockTime { return h.due }

// WithDue returns h with a deadline by the clock of the queue.
func (h header) WithDue(due mq.ClockTime) Header {
	h.due = due
	return h
}

// Window returns how many replies a request takes at first.
func (h header) Window() uint32 { return h.window }

// Number returns the number of one of many replies, or how many there are.
func (h header) Number() uint64 { return h.number }

// WithMany returns h with the fields of requests for many replies, and of the
// replies.
func (h header) WithMany(number uint64, window uint32) Header {
	h.number, h.window = number, window
	return h
}

// ReplyWith returns one of many replies to a request.
func (h header) ReplyWith(k Kind, number uint64) Header {
	return header{kind: k, id: h.id, token: h.token, number: number}
}

const (
	KindPart = kindPart
	KindEnd  = kindEnd
	KindMore = kindMore
	KindLeft = kindLeft
)

// WithDeadline returns h with a deadline by the wall clock.
func (h header) WithDeadline(deadline time.Time) Header {
	h.deadline = deadline
	return h
}
