package sysv

import (
	"errors"

	"ipcmq/mq"
)

// Tidy removes messages that the inbox never receives, so that nobody can fill it
// permanently by sending them: those that have neither the type of replies nor that
// of the owner's record. If there are more of the record's type, Tidy leaves them,
// since the oldest is the record, and the error matches [mq.ErrFull]: the inbox is
// useless once they fill it.
func (in *inbox) Tidy() error {
	for {
		m, err := in.Peek(1)
		switch {
		case errors.Is(err, mq.ErrEmpty):
			return nil
		case err != nil:
			return err
		case m.Type == replyType:
			return nil
		case m.Type == recordType:
			return in.handle.Fail("tidy", mq.ErrFull, nil, "somebody has sent messages of the type of the owner's record")
		}
		if err := in.drop(m.Type); err != nil {
			return err
		}
	}
}

// drop removes all messages of a type.
func (in *inbox) drop(typ int64) error {
	r, err := in.Select(mq.Type(typ))
	for err == nil {
		_, err = r.TryReceive()
	}
	if errors.Is(err, mq.ErrEmpty) {
		return nil
	}
	return err
}
