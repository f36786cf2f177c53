package jetstream

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"ipcmq/mq"
)

// OpenInbox opens the inbox of this queue with the given address, for sending. An
// address that is not "jetstream:", the name of this queue, ":" and the id of an inbox
// is refused with [mq.ErrNotInbox]. If the program that created the inbox is gone, or
// is not connected now, the error matches fs.ErrNotExist: the servers report that at
// once. An inbox that has answered this handle within the last second is opened
// without asking, and so is one that cannot be asked now; if it is gone, sending fails.
func (q *Queue) OpenInbox(address string) (mq.SendCloser, error) {
	const op = "open inbox"
	id, ok := strings.CutPrefix(address, inboxScheme+q.handle.Name+":")
	if !ok || len(id) != inboxID || strings.IndexFunc(id, notInNames) >= 0 {
		return nil, &mq.Error{Op: op, Queue: strconv.Quote(address), Kind: mq.ErrNotInbox,
			Detail: fmt.Sprintf("the address is not %s%s: and the id of an inbox", inboxScheme, q.handle.Name)}
	}
	c, err := q.begin(op, context.Background(), false, true)
	if err != nil {
		return nil, err
	}
	defer c.end()
	out := &outbox{q: q, address: address, subject: q.subjects.inbox(id)}
	if q.heard.lately(address) {
		return out, nil
	}
	_, err = q.ask(c.ctx, 0, &nats.Msg{Subject: out.subject + "ping"})
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return nil, out.gone(op, err)
	case isUnavailable(err):
		return out, nil // sending fails if it is gone
	case err != nil:
		return nil, q.failed(op, err)
	}
	q.heard.note(address)
	return out, nil
}

const (
	// heardWait is how long an inbox that has answered is assumed to exist, and
	// heardInboxes how many are remembered.
	heardWait    = time.Second
	heardInboxes = 1024
)

// heard is when inboxes of others last answered, by address.
type heard struct {
	mu   sync.Mutex
	when map[string]time.Time
}

func (h *heard) lately(address string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(h.when[address]) < heardWait
}

func (h *heard) note(address string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.when) >= heardInboxes {
		clear(h.when) // they are asked again
	}
	if h.when == nil {
		h.when = make(map[string]time.Time)
	}
	h.when[address] = time.Now()
}

func (h *heard) forget(address string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.when, address)
}

// An outbox is another program's inbox, to send to.
type outbox struct {
	q       *Queue
	address string
	subject string

	mu     sync.Mutex
	closed bool
}

func (out *outbox) gone(op string, err error) error {
	out.q.heard.forget(out.address)
	return &mq.Error{Op: op, Queue: out.address, Kind: fs.ErrNotExist, Err: err,
		Detail: "nobody has this inbox: its program has ended, or is not connected now"}
}

// Send sends m to the inbox, waiting for room.
func (out *outbox) Send(ctx context.Context, m mq.Message) error { return out.send(ctx, true, m) }

// TrySend sends m to the inbox if there is room.
func (out *outbox) TrySend(m mq.Message) error { return out.send(context.Background(), false, m) }

// Close gives up the handle.
func (out *outbox) Close() error {
	out.mu.Lock()
	defer out.mu.Unlock()
	out.closed = true
	return nil
}

func (out *outbox) send(ctx context.Context, waits bool, m mq.Message) error {
	const op = "send"
	out.mu.Lock()
	closed := out.closed
	out.mu.Unlock()
	if closed {
		return &mq.Error{Op: op, Queue: out.address, Kind: mq.ErrClosed}
	}
	if err := out.q.sendableTo(out.address, m); err != nil {
		return err
	}
	c, err := out.q.begin(op, ctx, waits, true)
	if err != nil {
		return err
	}
	defer c.end()
	msg := &nats.Msg{
		Subject: out.subject + strconv.FormatInt(m.Type, 10),
		Header:  nats.Header{nats.MsgIdHdr: []string{out.q.messageID()}},
		Data:    m.Data,
	}
	t := tries{moves: true, hear: func() (*bell, error) { return new(bell), nil }} // nothing signals room
	t.try = func() error {
		answer, err := out.q.ask(c.ctx, graceWait, msg)
		switch {
		case errors.Is(err, nats.ErrNoResponders):
			t.doubt = time.Time{} // it is gone with all that it has taken
			return out.gone(op, err)
		case err != nil:
			return err
		case string(answer.Data) == answerTaken:
			out.q.heard.note(out.address)
			return nil
		case !c.waits:
			return &mq.Error{Op: op, Queue: out.address, Kind: mq.ErrFull}
		}
		return errInboxFull
	}
	return c.retry(&t)
}

// maxInboxPayload is the largest payload that an inbox takes.
func (q *Queue) maxInboxPayload() int { return int(max(q.nc.MaxPayload()-int64(headerSize), 0)) }

// sendableTo returns an error if an inbox can never take m.
func (q *Queue) sendableTo(address string, m mq.Message) error {
	e := &mq.Error{Op: "send", Queue: address}
	switch {
	case m.Type < 1:
		e.Kind, e.Detail = mq.ErrInvalidType, fmt.Sprintf("message type %d: types begin at 1", m.Type)
	case len(m.Data) > q.maxInboxPayload():
		e.Kind, e.Detail = mq.ErrTooLarge, fmt.Sprintf(
			"message of %d bytes and a header of %d exceeds the server's max_payload = %d (raise it in the configuration of the server)",
			len(m.Data), headerSize, q.nc.MaxPayload())
	default:
		return nil
	}
	return e
}
