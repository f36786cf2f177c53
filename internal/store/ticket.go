package store

import "encoding/binary"

// TicketSize is the bytes of a ticket.
const TicketSize = 32

// ticketMark is what tickets begin with. It is not valid UTF-8, so no text begins
// so.
const ticketMark = "\xba\x7c\xfd\x01"

// A Ticket says where a payload is.
type Ticket struct {
	segment int    // id of the store
	entry   int    // in it
	number  uint64 // of the payload
	length  uint64 // in bytes
}

// Bytes returns what travels through the queue.
func (t Ticket) Bytes() []byte {
	b := append(make([]byte, 0, TicketSize), ticketMark...)
	b = binary.NativeEndian.AppendUint32(b, uint32(t.segment))
	b = binary.NativeEndian.AppendUint64(b, t.number)
	b = binary.NativeEndian.AppendUint64(b, t.length)
	b = binary.NativeEndian.AppendUint32(b, uint32(t.entry))
	return binary.NativeEndian.AppendUint32(b, 0)
}

// ParseTicket parses a ticket. ok is false if data is not what Bytes would have
// written.
func ParseTicket(data []byte) (t Ticket, ok bool) {
	if !IsTicket(data) {
		return t, false
	}
	segment, entry := binary.NativeEndian.Uint32(data[4:]), binary.NativeEndian.Uint32(data[24:])
	t = Ticket{
		segment: int(segment), number: binary.NativeEndian.Uint64(data[8:]),
		length: binary.NativeEndian.Uint64(data[16:]), entry: int(entry),
	}
	ok = segment < 1<<31 && entry < maxEntries && t.number < 1<<(64-stateBits) && binary.NativeEndian.Uint32(data[28:]) == 0
	return t, ok
}

// IsTicket reports whether data has the size and the beginning of a ticket.
func IsTicket(data []byte) bool {
	return len(data) == TicketSize && string(data[:len(ticketMark)]) == ticketMark
}

// Length returns the bytes of the payload, as the ticket has it.
func (t Ticket) Length() uint64 { return t.length }
