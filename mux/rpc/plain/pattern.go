package plain

import (
	"bytes"
	"encoding/json"
	"fmt"

	"ipcmq/mq"
)

// A Pattern is what both sides know of each other's messages.
type Pattern struct {
	// RequestType and ReplyType are the types of the messages, from 1. They differ,
	// unless there is a ReplyQueue.
	RequestType, ReplyType int64

	// ReplyQueue, if not nil, is where replies travel; otherwise that is the queue of
	// the requests.
	ReplyQueue mq.Queue

	// ID returns what a reply has in common with its request, and false if there is
	// no such thing in the body, such as [Field] and [Before]. A client calls it with
	// requests, which it refuses then, and with replies, which are unmatched then. It
	// may be called by several goroutines at once, and does not keep the body. Handle
	// does not need it.
	ID func(body []byte) (id string, ok bool)
}

// Field returns the value of a field of a JSON object, as it is written.
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

// Before returns what stands before the first separator, such as 17 in "17 hello"
// with a blank.
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
		return bad("RequestType = %d and ReplyType = %d: types begin with 1", p.RequestType, p.ReplyType)
	case p.RequestType == p.ReplyType && replies == q:
		return bad("RequestType and ReplyType are both %d, in one queue: each side would receive what it has sent", p.ReplyType)
	}
	return replies, nil
}

// name is how a queue names itself in errors, if it does.
func name(q mq.Queue) string {
	if s, ok := q.(fmt.Stringer); ok {
		return s.String()
	}
	return ""
}
