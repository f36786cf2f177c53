package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"time"

	"ipcmq/mq"
)

const (
	// window is the maximum number of replies to one request that are in transit
	// or wait in this process.
	window = 16

	// goodbye is how long a caller that leaves waits to tell the server, which may
	// be stopped.
	goodbye = 100 * time.Millisecond
)

// errServerGone: the inbox of the server is gone, and so is the server.
var errServerGone = errors.New("the server has ended")

// Replies makes a request of type t, like [Client.Request], and returns an iterator
// over the replies that a handler made by [Replies] sends, in their order. Each
// iteration makes the request again. A reply belongs to the caller.
//
//	for reply, err := range client.Replies(ctx, 7, request) {
//		if err != nil {
//			return err
//		}
//		use(reply)
//	}
//
// At most 16 replies are in transit at once: while the loop is busy, the handler
// waits. Leaving the loop early ends the context of the handler. If the handler is
// an ordinary one, the iteration yields its single reply.
//
// The iteration ends after the last reply, or with the first error, which comes with
// nil and is the last pair. The errors are those of Request; ctx, and the timeout of
// the client, apply to the whole iteration, and end it even if some replies were not
// taken yet. A [*RemoteError] may come after some replies. The error matches
// [ErrReplyLost] if a reply is missing, if the inbox of the client was removed, or
// if the server ended before the last reply; the end of a server in another pid
// namespace or on another host is noticed only at the deadline.
func (c *Client) Replies(ctx context.Context, t int64, data []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		ctx, cancel := c.withTimeout(ctx)
		defer cancel()
		r, err := c.send(ctx, t, data, window)
		if err != nil {
			yield(nil, err)
			return
		}
		defer c.calls.Done()
		s := &sequence{request: r, client: c, ctx: ctx, typ: t, granted: window}
		s.waits, s.stop = context.WithCancelCause(ctx)
		defer s.leave()
		for {
			data, err := s.next()
			if err == io.EOF {
				return
			}
			if !yield(data, err) || err != nil {
				return
			}
		}
	}
}

// A sequence is an iteration over replies that is in progress.
type sequence struct {
	request
	client *Client
	ctx    context.Context
	typ    int64

	waits context.Context // ends with ctx, or with the server
	stop  context.CancelCauseFunc
	gone  bool // the server

	server  mq.SendCloser // its inbox; nil until the first reply
	got     uint64        // replies
	granted uint64        // how many the server may send
	heard   bool          // whether any reply came
	over    bool
}

// next returns the next reply, and io.EOF after the last one.
func (s *sequence) next() ([]byte, error) {
	s.grant()
	for {
		switch {
		case s.over:
			return nil, io.EOF
		case s.ctx.Err() != nil:
			return nil, s.client.ended(s.ctx, s.typ)
		}
		waits, cancel := s.waits, context.CancelFunc(func() {})
		if s.gone { // replies that it has sent may still come
			waits, cancel = context.WithTimeout(s.ctx, lastWait)
		}
		r, err := s.in.await(waits, s.call)
		cancel()
		switch {
		case err == nil:
		case s.ctx.Err() == nil && !s.gone && context.Cause(s.waits) == errServerGone:
			s.gone = true
			continue
		case s.ctx.Err() == nil && s.gone:
			return nil, s.lost("the server has ended after %d replies, before the last one", s.got)
		default:
			return nil, s.client.explain(s.ctx, s.typ, err, fmt.Sprintf("the request was sent, but only %d replies have come", s.got))
		}
		s.hear(r)
		switch r.kind {
		case kindError:
			_, err := r.payload()
			return nil, err
		case kindReply: // of an ordinary handler
			return r.data, nil
		case kindEnd:
			if r.number != s.got {
				return nil, s.lost("%d of %d replies came", s.got, r.number)
			}
		case kindPart:
			if r.number <= s.got {
				continue // once more
			}
			if r.number != s.got+1 {
				return nil, s.lost("reply %d came after %d", r.number, s.got)
			}
			s.got++
			return r.data, nil
		}
	}
}

// hear notes what all replies carry.
func (s *sequence) hear(r reply) {
	s.over = r.kind != kindPart
	if md, ok := s.ctx.Value(receivedKey{}).(*Metadata); ok && md != nil && (!s.heard || r.metadata != nil) {
		*md = r.metadata
	}
	if !s.heard {
		s.heard = true
		s.service.ended(s.size, true)
	}
	if s.server == nil && r.address != "" {
		server, err := s.client.exchange.OpenInbox(r.address)
		if err != nil { // already gone, but all replies may have come
			s.stop(errServerGone)
			return
		}
		s.server = server
		s.in.follow(s.call, r.address, server, s.stop)
	}
}

// lost returns the error of an iteration that ends without the last reply.
func (s *sequence) lost(format string, args ...any) error {
	return &mq.Error{Op: "request", Queue: nameOf(s.client.queue, s.typ), Kind: ErrReplyLost,
		Detail: fmt.Sprintf(format, args...) + "; the request may have been handled"}
}

// grant tells the server that more replies are taken.
func (s *sequence) grant() {
	if s.server == nil || s.gone || s.over || s.granted-s.got > window/2 {
		return
	}
	more := header{kind: kindMore, id: s.call.id, token: s.in.token, number: s.got + window}
	err := s.server.Send(s.waits, mq.Message{Type: replyType, Data: more.append(nil, nil)})
	switch {
	case err == nil:
		s.granted = more.number
	case s.waits.Err() == nil:
		s.stop(errServerGone)
	}
}

// leave ends the iteration, and tells the server unless it has sent all
// replies.
func (s *sequence) leave() {
	if !s.heard {
		s.service.ended(s.size, false)
	}
	if !s.over {
		s.in.abandon(s.call, s.service)
		if !s.heard {
			s.in.expect(s.ctx, s.call.id)
		}
	}
	s.stop(nil)
	if s.server == nil {
		return
	}
	s.in.follow(s.call, "", nil, nil)
	if !s.over && !s.gone {
		s.in.leave(s.server, s.call.id)
	}
	s.server.Close()
}

// leave tells a server that nobody takes its replies.
func (in *inbox) leave(server mq.SendCloser, id uint64) {
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	left := header{kind: kindLeft, id: id, token: in.token}
	_ = server.Send(ctx, mq.Message{Type: replyType, Data: left.append(nil, nil)}) // if that fails, the deadline ends the handler
}

// maxUnheard is how many iterations that were given up before their first reply
// are remembered.
const maxUnheard = 1024

// expect makes the inbox tell a server that nobody takes its replies when the
// first of them comes, which has the server's address.
func (in *inbox) expect(ctx context.Context, id uint64) {
	until, ok := ctx.Deadline()
	if !ok {
		until = time.Now().Add(maxKeptTime)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.err == nil && len(in.unheard) < maxUnheard && time.Now().Before(until) {
		in.unheard[id] = until
		in.watcher.Reset(in.every)
	}
}

// tellUnheard looks for first replies to iterations that were given up.
func (in *inbox) tellUnheard() {
	in.mu.Lock()
	maps.DeleteFunc(in.unheard, func(_ uint64, until time.Time) bool { return time.Now().After(until) })
	some := len(in.unheard) > 0
	in.mu.Unlock()
	if some {
		in.sweep()
	}
}

// leaveAt is leave for a server with the given address.
func (in *inbox) leaveAt(address string, id uint64) {
	server, err := in.exchange.OpenInbox(address)
	if err != nil {
		return
	}
	defer server.Close()
	left := header{kind: kindLeft, id: id, token: in.token}
	_ = server.TrySend(mq.Message{Type: replyType, Data: left.append(nil, nil)}) // if that fails, the deadline ends the handler
}

// A followed is the server that sends the replies to a call.
type followed struct {
	address string
	inbox   mq.SendCloser
	stop    context.CancelCauseFunc
}

// follow calls stop when the server of a call has ended, until it is called
// again.
func (in *inbox) follow(call *call, address string, server mq.SendCloser, stop context.CancelCauseFunc) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if server == nil {
		delete(in.servers, call.id)
		return
	}
	in.servers[call.id] = followed{address, server, stop}
}

// checkServers checks whether the servers whose replies are awaited have ended.
func (in *inbox) checkServers() {
	in.mu.Lock()
	list := make([]followed, 0, len(in.servers))
	for _, f := range in.servers {
		list = append(list, f)
	}
	in.mu.Unlock()
	for _, f := range list {
		if gone(in.exchange, f.address, f.inbox) {
			f.stop(errServerGone)
		}
	}
}

// gone reports whether it is known that nobody can receive from an inbox any
// more.
func gone(exchange mq.Exchange, address string, inbox mq.SendCloser) bool {
	if _, ok := inbox.(mq.Checker); ok {
		return ended(inbox) != nil
	}
	again, err := exchange.OpenInbox(address)
	if err == nil {
		again.Close()
	}
	return errors.Is(err, fs.ErrNotExist)
}
