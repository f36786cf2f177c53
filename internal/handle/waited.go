package handle

import (
	"cmp"
	"fmt"

	"ipcmq/mq"
)

// NoRoom returns why a message of size bytes does not fit into q now, or "" if
// that is not known, or it fits.
func NoRoom(q mq.Queue, size int) string {
	u, ok := usage(q)
	switch {
	case !ok:
	case u.MaxBytes > 0 && u.Bytes >= u.MaxBytes:
		return fmt.Sprintf("the queue is full: %d of %d bytes", u.Bytes, u.MaxBytes)
	case u.MaxBytes > 0 && u.Bytes+int64(size) > u.MaxBytes:
		return fmt.Sprintf("the queue has no room for %d bytes: %d of %d are taken", size, u.Bytes, u.MaxBytes)
	case u.MaxMessages > 0 && u.Messages >= u.MaxMessages:
		return fmt.Sprintf("the queue is full: %d of %d messages", u.Messages, u.MaxMessages)
	}
	return ""
}

// NoMessage returns what is in q instead of a message that s selects, or "" if
// that is not known, or one has come.
func NoMessage(q mq.Queue, s mq.Selector) string {
	u, ok := usage(q)
	switch {
	case !ok:
	case u.Messages == 0:
		return "the queue is empty"
	case s.Kind() != mq.SelectAny && u.Messages == 1:
		return fmt.Sprintf("no message of %s came; another is in the queue", types(s))
	case s.Kind() != mq.SelectAny:
		return fmt.Sprintf("no message of %s came; %d others are in the queue", types(s), u.Messages)
	}
	return ""
}

func types(s mq.Selector) string {
	switch s.Kind() {
	case mq.SelectUpTo:
		return fmt.Sprintf("the types up to %d", s.Type())
	case mq.SelectExcept:
		return fmt.Sprintf("a type other than %d", s.Type())
	}
	return s.String()
}

func usage(q mq.Queue) (mq.Usage, bool) {
	m, ok := mq.As[mq.Meter](q)
	if !ok {
		return mq.Usage{}, false
	}
	u, err := m.Usage()
	return u, err == nil
}

// Waited adds what a call waited for, if known, to the error of a call that its
// context has ended.
func Waited(e *mq.Error, what string) *mq.Error {
	if what != "" && e.Kind != mq.ErrClosed {
		e.Detail = cmp.Or(e.Detail, e.Kind.Error()) + "; " + what
	}
	return e
}
