package rpc

import (
	"encoding/binary"
	"time"

	"ipcmq/mq"
)

// Fields are stored among the metadata, where receivers that do not know them
// skip them: their keys begin with a zero, unlike those of users.
const (
	fieldMark = 0

	fieldDue = 'd' // the deadline by the clock of the queue
	dueSize  = 1 + 2 + 2 + 24

	fieldWindow = 'w' // how many replies a request takes at first
	windowSize  = 1 + 2 + 2 + 4
)

// appendField adds the key of a field, and the length of its value.
func appendField(b []byte, key byte, size uint16) []byte {
	return binary.LittleEndian.AppendUint16(append(b, 2, fieldMark, key), size)
}

func appendDue(b []byte, due mq.ClockTime) []byte {
	b = append(appendField(b, fieldDue, 24), due.ID[:]...)
	return binary.LittleEndian.AppendUint64(b, uint64(due.Time))
}

// parseField reads a field, and reports whether it is known. A value that is
// longer than expected comes from a later version, and begins the same.
func (h *header) parseField(key, value []byte) (known, ok bool) {
	if len(key) != 2 {
		return false, true
	}
	switch key[1] {
	case fieldDue:
		if len(value) < 24 {
			return true, false
		}
		h.due = mq.ClockTime{ID: [16]byte(value), Time: time.Duration(binary.LittleEndian.Uint64(value[16:]))}
		h.dueAt = value[:24]
	case fieldWindow:
		if len(value) < 4 {
			return true, false
		}
		h.window = binary.LittleEndian.Uint32(value)
	default:
		return false, true
	}
	return true, true
}
