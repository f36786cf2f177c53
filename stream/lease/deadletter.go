package lease

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"ipcmq/mq"
)

// A DeadLetter is a message that was never handled successfully, as [ToQueue]
// stores it.
type DeadLetter struct {
	// Delivery is the original message, and its last attempt. Priority is 0
	// unless its queue had priorities.
	Delivery

	// Time is when it became a dead letter, by the clock of that process.
	Time time.Time

	// Reason is the text of the last error, which ends with … if it was too long.
	Reason string
}

// ErrNotDeadLetter: a message does not have the form of a dead letter.
var ErrNotDeadLetter = errors.New("not a dead letter")

// deadLetterMark begins every dead letter.
const deadLetterMark = "ipcmq dead letter "

// maxReason is the maximum length in bytes of an error's text in a dead letter.
const maxReason = 1024

// ToQueue returns a function for Config.DeadLetter that sends messages to q, under
// the type that they have (or 1 if they have none), so that selectors mean the
// same there. [ParseDeadLetter] reads them. q may be of another kind than the queue of
// the messages.
//
// A dead letter is one line of text followed by the payload, byte for byte to the end
// of the message. People and programs in any language can read it: after a mark the
// line is a JSON object without newlines, so the payload begins after the first
// newline.
//
//	ipcmq dead letter {"type":7,"sequence":12,"attempt":5,"time":"2026-01-31T09:30:00Z","error":"exit status 3"}
//	the payload
//
// There is also "priority" if it is not 0, "uncertain" and "truncated" if the payload
// may be incomplete (see [Delivery] and [mq.Message]), and "header", an object, if
// the message had one and there is room for it. Readers ignore other fields. Up to
// 1024 bytes of the error's text are kept, or fewer if the message would be too long
// for q: a kernel queue takes kernel.msgmax bytes, 8192 by default, of which the line
// needs about 100.
//
// If the message still does not fit into q, or q is full or cannot be reached, the
// function returns the error of q, which names the limit. Nothing has moved then: the
// message is given back to its own queue, and after the delay the function gets it
// again, without another attempt at handling. So it waits, while others are handled,
// until the limit is raised or q has room.
//
// If the process is killed after the dead letter was sent, the message becomes a
// second one, with the same sequence.
func ToQueue(q mq.Queue) func(ctx context.Context, d Delivery, err error) error {
	return func(_ context.Context, d Delivery, err error) error {
		letter := DeadLetter{Delivery: d, Time: time.Now(), Reason: err.Error()}
		m := mq.Message{Type: max(d.Type, 1), Priority: d.Priority, Data: letter.append(q.Capabilities().MaxPayload)}
		return q.TrySend(m)
	}
}

// deadLetterLine is the line of a dead letter.
type deadLetterLine struct {
	Type      int64     `json:"type,omitempty"`
	Priority  uint32    `json:"priority,omitempty"`
	Sequence  uint64    `json:"sequence"`
	Attempt   int       `json:"attempt"`
	Uncertain bool      `json:"uncertain,omitempty"`
	Truncated bool      `json:"truncated,omitempty"`
	Time      time.Time `json:"time"`
	Header    mq.Header `json:"header,omitempty"`
	Error     string    `json:"error"`
}

// append returns d as a payload. If it would be longer than most, the header is left
// out and the reason shortened; 0 means no limit.
func (d DeadLetter) append(most int) []byte {
	if most <= 0 {
		most = math.MaxInt
	}
	line := deadLetterLine{Type: d.Type, Priority: d.Priority, Sequence: d.Sequence, Attempt: d.Attempt, Uncertain: d.Uncertain,
		Truncated: d.Truncated, Time: d.Time.UTC().Truncate(time.Second), Header: d.Header}
	if len(line.append(nil))+len(d.Data) > most {
		line.Header = nil
	}
	line.Error = cut(d.Reason, min(maxReason, most-len(line.append(nil))-len(d.Data)))
	return append(line.append(make([]byte, 0, 256+len(line.Error)+len(d.Data))), d.Data...)
}

func (l deadLetterLine) append(b []byte) []byte {
	w := bytes.NewBuffer(append(b, deadLetterMark...))
	encoder := json.NewEncoder(w) // it ends with a newline
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(l); err != nil {
		panic(err) // cannot happen: l holds numbers, strings, and a time of our clock
	}
	return w.Bytes()
}

// cut shortens text to at most most bytes in JSON, and marks it if it was
// shortened.
func cut(text string, most int) string {
	const more = "…"
	text = strings.ToValidUTF8(text, "\ufffd")
	n, kept := 0, 0 // bytes in JSON; bytes of text that leave room for the mark
	for i, r := range text {
		switch {
		case r < ' ', r == '\u2028', r == '\u2029':
			n += len(`\u0000`) // at most
		case r == '"', r == '\\':
			n += len(`\"`)
		default:
			n += utf8.RuneLen(r)
		}
		switch {
		case n > most && most < len(more):
			return ""
		case n > most:
			return text[:kept] + more
		case n <= most-len(more):
			kept = i + utf8.RuneLen(r)
		}
	}
	return text
}

// ParseDeadLetter returns the dead letter in m, a message from a queue that
// [ToQueue] sends to. Its Data is a part of m.Data. The error matches
// [ErrNotDeadLetter] if m does not have that form.
func ParseDeadLetter(m mq.Message) (DeadLetter, error) {
	rest, ok := bytes.CutPrefix(m.Data, []byte(deadLetterMark))
	if !ok {
		return DeadLetter{}, fmt.Errorf("%w: it does not begin with %q", ErrNotDeadLetter, deadLetterMark)
	}
	text, payload, ok := bytes.Cut(rest, []byte("\n"))
	if !ok {
		return DeadLetter{}, fmt.Errorf("%w: its line has no end", ErrNotDeadLetter)
	}
	var line deadLetterLine
	if err := json.Unmarshal(text, &line); err != nil {
		return DeadLetter{}, fmt.Errorf("%w: its line: %w", ErrNotDeadLetter, err)
	}
	if line.Type < 0 || line.Attempt < 1 {
		return DeadLetter{}, fmt.Errorf("%w: type %d, attempt %d; a message has a type of 1 or more, or none, and was lent at least once", ErrNotDeadLetter, line.Type, line.Attempt)
	}
	return DeadLetter{
		Delivery: Delivery{
			Message:   mq.Message{Type: line.Type, Priority: line.Priority, Data: payload, Truncated: line.Truncated || m.Truncated},
			Sequence:  line.Sequence,
			Attempt:   line.Attempt,
			Uncertain: line.Uncertain,
			Header:    line.Header,
		},
		Time: line.Time, Reason: line.Error,
	}, nil
}
