package jetstream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"ipcmq/mq"
)

// Send adds m to the queue, waiting while there is no room or the queue is
// unavailable. m.Type must be 1 or more; m.Priority is ignored.
//
// The payload may be up to the server's max_payload (1 MiB by default) less a
// header of 49 bytes, and up to MaxBytes less [Queue.Overhead]. A larger one is
// refused at once.
//
// The header that [mq.WithHeader] has put into ctx goes with the message, and its bytes
// count too. If it does not fit with the payload, the message is sent without it.
//
// If an answer is lost, Send repeats the message until there is one; the servers
// recognize it by an id and store it once. They remember the id for two minutes or more,
// and Send gives up before that. A server that is killed forgets the ids of messages that
// were already received: one whose answer was lost then may be stored again.
//
// If Send returns an error, m was not sent, unless the error matches
// [mq.ErrInDoubt]. It matches [mq.ErrTooLarge], [mq.ErrInvalidType],
// [mq.ErrClosed], [mq.ErrRemoved], fs.ErrPermission, [ErrLimit] if the server's disk is
// full, or ctx.Err() and the cause of ctx, and then [mq.ErrUnavailable] too if the queue was.
func (q *Queue) Send(ctx context.Context, m mq.Message) error {
	return q.send(ctx, true, m, mq.SendOptions{})
}

// TrySend adds m to the queue if there is room now. If there is none the error
// matches [mq.ErrFull]; otherwise it is like [Queue.Send]. It waits for one
// answer of the server, 1 second at most; without one, the error matches
// [mq.ErrUnavailable] or, if m may have been sent, [mq.ErrInDoubt].
func (q *Queue) TrySend(m mq.Message) error {
	return q.send(context.Background(), false, m, mq.SendOptions{})
}

func (q *Queue) send(ctx context.Context, waits bool, m mq.Message, o mq.SendOptions) error {
	c, err := q.begin("send", ctx, waits, q.handle.Access.CanSend())
	if err != nil {
		return err
	}
	defer c.end()
	if err := q.sendable(m); err != nil {
		return err
	}
	header, err := c.header()
	if err != nil {
		return err
	}
	var options nats.Header
	if o != (mq.SendOptions{}) {
		if options, err = c.optionHeader(o); err != nil {
			return err
		}
		if n := len(m.Data) + optionSize(options); n > q.maxPayload() && n > q.maxPayloadNow() {
			return q.tooLarge(n, nil)
		}
	}
	p := publication{call: c, message: q.messageFor(m, header, options)}
	return p.send()
}

// messageFor returns m as it is sent to the servers, with the headers for its options,
// and with header unless that would make the message too large.
func (q *Queue) messageFor(m mq.Message, header mq.Header, options nats.Header) *nats.Msg {
	msg := &nats.Msg{Subject: q.subjects.message(m.Type), Header: nats.Header{}, Data: m.Data}
	maps.Copy(msg.Header, options)
	if msg.Header[nats.MsgIdHdr] == nil {
		msg.Header[nats.MsgIdHdr] = []string{q.messageID()}
	}
	if len(header) > 0 && len(m.Data)+optionSize(options)+sizeOf(header)+batchOverhead <= q.maxPayload() {
		for key, value := range header {
			msg.Header[key] = []string{value}
		}
	}
	return msg
}

// header returns the user's header for messages.
func (c *call) header() (mq.Header, error) {
	h := mq.OutgoingHeader(c.user)
	var bad *mq.Error
	if errors.As(h.Validate(), &bad) {
		return nil, c.q.handle.Fail(c.op, mq.ErrInvalidConfig, nil, "header: "+bad.Detail)
	}
	return h, nil
}

// sizeOf returns how many bytes a header takes.
func sizeOf(header mq.Header) (n int) {
	for key, value := range header {
		n += len(key) + len(": ") + len(value) + len("\r\n")
	}
	return n
}

// headerOf returns what another program has put into the headers of a message.
func headerOf(m *nats.Msg) (h mq.Header) {
	for key, values := range m.Header {
		if len(values) == 0 || strings.HasPrefix(strings.ToLower(key), "nats-") {
			continue
		}
		if h == nil {
			h = mq.Header{}
		}
		h[key] = values[0]
	}
	return h
}

// sendable returns an error if m can never be sent.
func (q *Queue) sendable(m mq.Message) error {
	if m.Type < 1 {
		return q.handle.Fail("send", mq.ErrInvalidType, nil, fmt.Sprintf("message type %d: types begin at 1", m.Type))
	}
	if len(m.Data) > q.maxPayload() && len(m.Data) > q.maxPayloadNow() {
		return q.tooLarge(len(m.Data), nil)
	}
	return nil
}

// A publication is a message on its way to the queue.
type publication struct {
	*call
	message *nats.Msg
}

// send tries until the message is stored, or the call must end.
func (p *publication) send() error {
	if err := p.checkKnownDisk(); err != nil {
		return err
	}
	t := tries{moves: true, try: p.try, hear: p.q.hearOfRoom}
	t.over = func(err error) error { return p.tooLate(t.doubt, err) }
	return p.retry(&t)
}

// tooLate returns an error if another try is of no use, or could store a message once
// more, since the servers may have forgotten its id.
func (c *call) tooLate(doubt time.Time, err error) error {
	if failed := c.diskError(err); failed != nil {
		return failed
	}
	if !doubt.IsZero() && time.Since(doubt) > c.q.duplicates-2*answerWait {
		return c.q.lost(c.op, err)
	}
	return nil
}

// hearOfRoom returns the bell that rings when there may be room.
func (q *Queue) hearOfRoom() (*bell, error) {
	return &q.room, q.subscribe(q.subjects.free(), func(string) { q.room.ring() })
}

// try publishes the message and waits for the answer.
func (p *publication) try() error {
	answer, err := p.q.ask(p.ctx, graceWait, p.message)
	if err == nil {
		err = decode(answer.Data, nil)
	}
	if meaningOf(err) == tooLarge {
		return p.q.tooLarge(len(p.message.Data), err)
	}
	return err
}
