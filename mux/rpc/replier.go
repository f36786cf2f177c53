package rpc

import (
	"context"
	"errors"
	"sync/atomic"

	"ipcmq/internal/handle"
	"ipcmq/mq"
)

// A Replier answers a request with any number of replies: it calls reply for each,
// and returns after the last one. An error that it returns ends the iteration of the
// caller, after the replies that were sent.
//
// reply sends data, which it does not keep, and waits while the caller is busy or
// its inbox is full. If it returns an error, that reply was not sent. The error
// matches [mq.ErrTooLarge] if data can never fit; another reply may be sent then.
// Otherwise no more can be sent: the error matches that of ctx and its cause, which
// is [ErrLeft] if the caller has left its loop or has ended, or [ErrReplyLost].
// Replies arrive in the order in which reply was called; it may be called by several
// goroutines, but not after the Replier has returned.
//
// ctx ends like that of a [Handler], and about a second after the caller has left,
// with ErrLeft as its cause. A killed caller is known to have ended if it is in the
// pid namespace of this process, which may read its inbox; otherwise ctx ends at the
// deadline.
type Replier func(ctx context.Context, request []byte, reply func(data []byte) error) error

// Replies returns a Handler that answers [Client.Replies] with h. A request of
// [Client.Request] is answered with CodeManyReplies, and h does not see it. For
// Config.Concurrency it counts as one request, however long it takes.
//
// Metadata that is set before the first reply is sent with that reply, and
// metadata set later with the end.
func Replies(h Replier) Handler {
	if h == nil {
		return nil
	}
	return func(ctx context.Context, request []byte) ([]byte, error) {
		handling, ok := ctx.Value(handledKey{}).(*handled)
		if !ok || handling.parts == nil {
			return nil, &RemoteError{Code: CodeManyReplies, Text: "there may be many replies to this request, or none: use Client.Replies"}
		}
		p := handling.parts
		p.begun.Store(true)
		return nil, h(ctx, request, func(data []byte) error { return p.reply(ctx, data, handling.replyMetadata) })
	}
}

// parts are the replies to one request.
type parts struct {
	ranges *ranges
	header        // of the request
	name   string // of the request, in errors
	to     mq.SendCloser
	ctx    context.Context
	cancel context.CancelCauseFunc

	begun atomic.Bool   // by a Replier
	turn  chan struct{} // holds a value while no goroutine sends
	sent  uint64        // guarded by turn
	over  error         // no more can be sent; guarded by turn

	upTo atomic.Uint64 // the last one that the caller takes
	more chan struct{} // has a value after upTo has grown

	announced mq.Inbox // whose address was sent to the caller; guarded by ranges.mu
}

var errReturned = errors.New("the handler has returned")

// reply sends a reply when the caller takes one more.
func (p *parts) reply(ctx context.Context, data []byte, metadata func() Metadata) error {
	select {
	case <-p.turn:
	case <-ctx.Done():
		return handle.Ended("reply", p.name, ctx)
	}
	defer func() { p.turn <- struct{}{} }()
	for p.over == nil && p.sent >= p.upTo.Load() && ctx.Err() == nil {
		select {
		case <-p.more:
		case <-ctx.Done():
		}
	}
	switch {
	case ctx.Err() != nil:
		return handle.Ended("reply", p.name, ctx)
	case p.over != nil:
		return p.over
	}
	part := header{kind: kindPart, id: p.id, token: p.token, number: p.sent + 1}
	if p.sent == 0 {
		var err error
		if part.address, err = p.ranges.address(p); err != nil {
			return err
		}
		part.metadata = metadata()
	}
	err := explain(p.address, p.to.Send(ctx, mq.Message{Type: replyType, Data: part.append(make([]byte, 0, part.size()+len(data)), data)}))
	switch {
	case err == nil:
		p.sent++
		p.ranges.stats.Replies.Add(1)
		return nil
	case errors.Is(err, mq.ErrTooLarge):
		return err
	case ctx.Err() != nil && errors.Is(err, ctx.Err()) && !errors.Is(err, mq.ErrInDoubt):
		return handle.Ended("reply", p.name, ctx)
	}
	p.over = &mq.Error{Op: "reply", Queue: p.name, Kind: ErrReplyLost, Err: err}
	p.cancel(ErrLeft)
	return p.over
}

// finish lets no more replies be sent, and returns how many were sent, and
// whether the caller has left.
func (p *parts) finish() (sent uint64, left bool) {
	left = errors.Is(context.Cause(p.ctx), ErrLeft)
	p.cancel(errReturned)
	<-p.turn
	defer func() { p.turn <- struct{}{} }()
	if p.over == nil {
		p.over = &mq.Error{Op: "reply", Queue: p.name, Kind: mq.ErrClosed, Detail: errReturned.Error()}
	}
	return p.sent, left
}
