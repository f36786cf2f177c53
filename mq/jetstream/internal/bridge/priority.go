package bridge

import (
	"fmt"

	"ipcmq/mq"
)

// topType is the type of priority 0. The highest priority is one less, which makes it
// type 1: the lowest type first is the highest priority first.
const topType = 32768

// kept returns m as it is.
func kept(m mq.Message) (mq.Message, error) { return m, nil }

// typed carries the priority of a message as its type.
func typed(m mq.Message) (mq.Message, error) {
	if m.Priority >= topType {
		return m, fmt.Errorf("a message of priority %d: -priorities carries those up to %d", m.Priority, topType-1)
	}
	return mq.Message{Type: topType - int64(m.Priority), Data: m.Data}, nil
}

// prioritized is the inverse of typed.
func prioritized(m mq.Message) (mq.Message, error) {
	if m.Type < 1 || m.Type > topType {
		return m, fmt.Errorf("a message of type %d: -priorities makes priorities of the types 1 to %d only", m.Type, topType)
	}
	return mq.Message{Priority: uint32(topType - m.Type), Data: m.Data}, nil
}
