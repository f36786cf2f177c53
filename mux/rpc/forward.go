package rpc

import (
	"bytes"
	"context"
	"encoding/binary"
	"time"

	"ipcmq/mq"
)

// Forward returns data, a message that was received from one queue, as it must be sent
// to another one, for programs that forward between queues, as ipcmq-bridge does. The
// deadline of a request is by the clock of its queue, which those of the other queue
// cannot read. So Forward measures how much time is left by the clock of from, and
// writes the deadline by the clock of to, and by the wall clock of this host.
//
// All other messages are returned as they are; so are requests without a deadline, and
// those of another host that have one by its wall clock only. A request that has
// expired keeps its deadline, and its server answers it accordingly. Forward does not
// change data. It asks queues on other hosts for their time, at most once in some
// seconds, and waits for that no longer than ctx and about one second.
func Forward(ctx context.Context, data []byte, from, to mq.Queue) []byte {
	h, _, err := parseHeader(data)
	if err != nil || h.kind != kindRequest {
		return data
	}
	theirs, _ := mq.As[mq.Clocked](from)
	l := limitOf(ctx, h, theirs)
	if l.at.IsZero() || !l.at.Before(noDeadline) || l.guessed && from.Capabilities().Remote {
		return data
	}
	var due mq.ClockTime
	if ours, ok := mq.As[mq.Clocked](to); ok {
		if now, err := ours.Clock(ctx); err == nil {
			due = mq.ClockTime{ID: now.ID, Time: now.Time + time.Until(l.at)}
		}
	}
	data = bytes.Clone(data)
	binary.LittleEndian.PutUint64(data[deadlineOffset:], uint64(l.at.UnixNano()))
	field := appendDue(nil, due)
	start, size := headerSize+len(h.address), int(binary.LittleEndian.Uint16(data[metadataOffset:]))
	h, _, _ = parseHeader(data) // whose parts are those of the copy
	switch {
	case h.dueAt != nil:
		copy(h.dueAt, field[dueSize-len(h.dueAt):])
	case due.ID == [16]byte{} || size+dueSize > maxSection || len(data)+dueSize > to.Capabilities().MaxPayload:
	default:
		binary.LittleEndian.PutUint16(data[metadataOffset:], uint16(size+dueSize))
		data = append(data[:start:start], append(field, data[start:]...)...)
	}
	return data
}
