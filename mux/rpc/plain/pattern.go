package plain

import (
	"bytes"
	"encoding/json"
	"fmt"

	"ipcmq/mq"
)

// A Pattern is what both sides know about each other's messages.
type Pattern struct {
	// RequestType and ReplyType are the types of the messages, 1 or more. They must
	// differ, unless there is a ReplyQueue.
	RequestType, ReplyType int64

	// ReplyQueue, if not nil, is the queue of the replies; otherwise they use that of
	// the requests.
	ReplyQueue mq.Queue

	// ID returns the id in a body, which a reply has in common with its request, and
	// false if there is none; [Field] and [Before] return such functions. A client
	// refuses a request without an id, and a reply without one is unmatched. ID may
	// be called by several goroutines at once, and must not keep the body. Handle
	// does not need it.
	ID func(body []byte) (id string, ok bool)
}

// Field returns a function that returns the value of a field of a JSON object,
// as it is written.
func Field(name string) func(body []byte) (id string, ok bool) {
	return func(body []byte) (string, bool) {
		var object map[string]json.RawMessage
		if json.Unmarshal(body, &object) != nil {
			return "", false
		}
		value, ok := object[name]
		return string(value), ok
	}
}

// Before returns a function that returns the text before the first separator,
// such as 17 in "17 hello" if it is a blank.
func Before(separator string) func(body []byte) (id string, ok bool) {
	return func(body []byte) (string, bool) {
		id, _, ok := bytes.Cut(body, []byte(separator))
		if !ok {
			return "", false
		}
		return string(id), true
	}
}

// check returns the queue of the replies, or what is wrong with p.
func (p Pattern) check(op string, q mq.Queue) (mq.Queue, error) {
	bad := func(format string, args ...any) (mq.Queue, error) {
		return nil, &mq.Error{Op: op, Queue: name(q), Kind: mq.ErrInvalidConfig, Detail: fmt.Sprintf(format, args...)}
	}
	replies := p.ReplyQueue
	if replies == nil {
		replies = q
	}
	switch {
	case p.RequestType < 1 || p.ReplyType < 1:
		return bad("RequestType = %d and ReplyType = %d: types begin at 1", p.RequestType, p.ReplyType)
	case p.RequestType == p.ReplyType && replies == q:
		return bad("RequestType and ReplyType are both %d, in one queue: each side would receive its own messages", p.ReplyType)
	}
	return replies, nil
}

// name returns the name of a queue for errors, or "" if it has none.
func name(q mq.Queue) string {
	if s, ok := q.(fmt.Stringer); ok {
		return s.String()
	}
	return ""
}
