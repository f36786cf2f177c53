package bridge

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"ipcmq/mq"
)

// relay forwards from a queue that does not lend: a message that was taken exists
// only here until it is sent or put back.
func (b *bridge) relay() error {
	var from mq.Receiver
	err := persist(b.ctx, func() (err error) {
		from, err = b.from.Select(b.selector)
		return err
	})
	for err == nil {
		var m mq.Message
		if m, err = from.Receive(b.ctx); err != nil {
			break
		}
		if why := b.pass(m); why != nil {
			return b.back(m, why)
		}
		b.forwarded++
	}
	return unlessEnded(b.ctx, err)
}

// pass sends m, and waits for room and for a server.
func (b *bridge) pass(m mq.Message) error {
	m, err := b.outgoing(m)
	if err != nil {
		return err
	}
	for {
		err = b.to.Send(b.last, m)
		switch {
		case err == nil:
			return b.to.arrived()
		case !errors.Is(err, mq.ErrInDoubt) || b.last.Err() != nil:
			return err
		}
		b.again++
		warn("%s; the message is sent once more", explain(err))
	}
}

// back puts back m, which could not be sent because of why, and returns the error
// to end with.
func (b *bridge) back(m mq.Message, why error) error {
	ctx, cancel := context.WithTimeout(context.Background(), backWait)
	defer cancel()
	err := b.from.Send(ctx, m)
	if err == nil {
		err = b.from.arrived()
	}
	if err != nil {
		return fmt.Errorf("the message in hand could not be sent (%s) nor put back (%s), here it is: %s", explain(why), explain(err), content(m))
	}
	b.putBack++
	where := "the message in hand is back at the end of " + b.from.name
	if errors.Is(why, mq.ErrInDoubt) {
		where += ", and perhaps in " + b.to.name + " as well"
	}
	if b.last.Err() == nil {
		return fmt.Errorf("%w; %s", why, where)
	}
	warn("it was not sent in time: %s", where)
	return unlessEnded(b.ctx, nil)
}

// content returns m as the command ipcmq writes messages to files.
func content(m mq.Message) string {
	kind, number := "type", m.Type
	if m.Type == 0 {
		kind, number = "priority", int64(m.Priority)
	}
	return fmt.Sprintf(`{"%s":%d,"size":%d,"data":"%s"}`, kind, number, len(m.Data), base64.StdEncoding.EncodeToString(m.Data))
}
