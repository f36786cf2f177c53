package jetstream

import (
	"strconv"

	"ipcmq/mq"
)

// A queue is a stream and everything below one subject:
//
//	IPCMQ_orders                 the stream
//	ipcmq.orders.type.5          messages of type 5, which the stream stores
//	ipcmq.orders.wake.5          a message of type 5 was stored; 0: look again
//	ipcmq.orders.free            a message has left the queue
//	ipcmq.orders.inbox.ID.1      a reply of type 1 to the inbox ID; .ping asks whether it is there
type subjects struct{ stream, prefix string }

func subjectsOf(name string) subjects {
	return subjects{stream: "IPCMQ_" + name, prefix: "ipcmq." + name + "."}
}

const (
	typeToken  = "type."
	wakeToken  = "wake."
	inboxToken = "inbox."
)

// longestType is the most digits that a message type has.
const longestType = 19

func (s subjects) types() string          { return s.prefix + typeToken + "*" }
func (s subjects) message(t int64) string { return s.prefix + typeToken + strconv.FormatInt(t, 10) }
func (s subjects) wakes() string          { return s.prefix + wakeToken + "*" }
func (s subjects) wakeAll() string        { return s.prefix + wakeToken + "0" }
func (s subjects) free() string           { return s.prefix + "free" }
func (s subjects) inbox(id string) string { return s.prefix + inboxToken + id + "." }
func (s subjects) longest() int           { return len(s.prefix) + len(typeToken) + longestType }
func (s subjects) filter(x mq.Selector) string {
	if x.Kind() == mq.SelectType {
		return s.message(x.Type())
	}
	return s.types()
}

// typeOf returns the type at the end of a subject. Others may publish to any
// subject of the queue: anything that is not a type is 0, and only Any selects it.
func typeOf(subject string) int64 {
	i := len(subject)
	for i > 0 && subject[i-1] != '.' {
		i--
	}
	t, err := strconv.ParseInt(subject[i:], 10, 64)
	if err != nil || t < 0 || strconv.FormatInt(t, 10) != subject[i:] {
		return 0
	}
	return t
}
