package rpc

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"ipcmq/internal/lazy"
	"ipcmq/mq"
)

// serve answers one request. The worker is free afterwards unless it was
// replaced meanwhile, even if the handler ends the goroutine.
func (s *server) serve(m mq.Message, over *overrun) {
	s.busy.Add(1)
	defer func() {
		s.busy.Add(-1)
		if !over.end() {
			s.free <- struct{}{}
		}
	}()
	h, payload, err := parseHeader(m.Data)
	if err == nil && h.kind != kindRequest {
		err = fmt.Errorf("%w: kind %d", errHeader, h.kind)
	}
	if err == nil && h.id == 0 {
		err = fmt.Errorf("%w: id 0", errHeader)
	}
	if err != nil {
		s.cfg.Stats.Malformed.Add(1)
		if errors.Is(err, errVersion) && h.kind == kindRequest {
			s.refuseWith(h, CodeVersion, fmt.Sprintf("this server knows version %d of the header", headerVersion))
		}
		s.report(m, fmt.Errorf("%w: %w", ErrNotRequest, err))
		return
	}
	ctx := s.work
	limit := limitOf(ctx, h, s.clock)
	if h.deadline = limit.at; !h.deadline.IsZero() {
		d := lazy.New(ctx, h.deadline, nil)
		defer d.Cancel(nil)
		ctx = d
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		s.expired(m, h, limit)
		return
	}
	if !h.deadline.IsZero() {
		over.begin(h.deadline.Add(lastWait), m)
	}
	// If the handler ends its goroutine, only deferred calls run.
	a := answer{header{kind: kindError, code: CodeNoAnswer}, []byte(ErrNoAnswer.Error()), ErrNoAnswer}
	handling := &handled{Context: ctx, received: h.metadata}
	if h.window > 0 {
		if handling.parts, err = s.ranges.enter(ctx, h, s.name); err != nil {
			s.refuse(m, err)
			return
		}
		defer s.ranges.leave(handling.parts)
		handling.Context = handling.parts.ctx
	}
	defer func() {
		a.metadata = handling.replyMetadata()
		s.settle(m, h, a, handling.parts)
	}()
	a = s.call(handling, payload)
}

// refuse counts and reports a request for many replies that nobody can receive, or
// that are already being sent.
func (s *server) refuse(m mq.Message, err error) {
	if errors.Is(err, errTwice) {
		s.cfg.Stats.Malformed.Add(1)
		s.report(m, fmt.Errorf("%w: %w", ErrNotRequest, err))
		return
	}
	s.lost(m, err)
}

// expired counts and reports a request that came too late, and tells its client,
// which may still wait if its clock differs.
func (s *server) expired(m mq.Message, h header, l limit) {
	s.cfg.Stats.Expired.Add(1)
	text := "the request came " + l.late()
	s.refuseWith(h, CodeExpired, text)
	s.report(m, fmt.Errorf("%w: %s", ErrExpired, text))
}

// refuseWith answers a request that is not handled with an error, without waiting for
// room in the inbox.
func (s *server) refuseWith(h header, code Code, text string) {
	inbox, err := s.exchange.OpenInbox(h.address)
	if err != nil {
		return
	}
	defer inbox.Close()
	a := header{kind: kindError, code: code, id: h.id, token: h.token}
	_ = inbox.TrySend(mq.Message{Type: replyType, Data: a.append(nil, []byte(text))})
}

// An answer is what is sent to the client.
type answer struct {
	header
	data []byte
	err  error // for OnError
}

// call calls the handler and returns its answer.
func (s *server) call(ctx context.Context, payload []byte) (a answer) {
	defer func() {
		if v := recover(); v != nil {
			err := &mq.PanicError{Value: v, Stack: debug.Stack()}
			s.cfg.Stats.Panicked.Add(1)
			a = answer{header{kind: kindError, code: CodePanicked}, []byte(err.Error()), err}
		}
	}()
	data, err := s.handler(ctx, payload)
	if err == nil {
		return answer{header: header{kind: kindReply}, data: data}
	}
	s.cfg.Stats.Failed.Add(1)
	var remote *RemoteError
	if errors.As(err, &remote) {
		return answer{header: header{kind: kindError, code: remote.Code}, data: []byte(remote.Text)}
	}
	return answer{header: header{kind: kindError, code: CodeFailed}, data: []byte(err.Error())}
}

// settle sends the answer to a handled request, or the end after many replies.
func (s *server) settle(m mq.Message, h header, a answer, p *parts) {
	count := s.cfg.Stats
	count.Handled.Add(1)
	if a.code == CodeNoAnswer && a.err != nil {
		count.Exited.Add(1)
	}
	if a.err != nil {
		defer s.report(m, a.err)
	}
	a.id, a.token = h.id, h.token
	if p != nil && p.begun.Load() {
		sent, left := p.finish()
		if left {
			count.Left.Add(1)
			return
		}
		if a.kind == kindReply {
			a.kind, a.number = kindEnd, sent
		}
	}
	if !h.deadline.IsZero() && !time.Now().Before(h.deadline) {
		count.Expired.Add(1)
		s.report(m, fmt.Errorf("%w: handled until %v after its deadline", ErrExpired, time.Since(h.deadline).Round(time.Millisecond)))
		return
	}
	if err := s.reply(m, h, a); err != nil {
		s.lost(m, err)
	}
}

// lost counts and reports a reply that could not be sent.
func (s *server) lost(request mq.Message, err error) {
	if errors.Is(err, mq.ErrNotInbox) {
		s.cfg.Stats.Refused.Add(1)
	}
	s.cfg.Stats.Lost.Add(1)
	s.report(request, fmt.Errorf("%w: %w", ErrReplyLost, err))
}

func (s *server) report(m mq.Message, why error) {
	logRequest(s.work, s.cfg.Logger, m, why)
	if s.cfg.OnError != nil {
		s.cfg.OnError(m, why)
	}
}

// reply sends the answer to the inbox, or keeps it to send it when there is
// room.
func (s *server) reply(m mq.Message, h header, a answer) error {
	waits, err := s.outbox.send(m, h.address, a.append(make([]byte, 0, a.size()+len(a.data)), a.data), h.deadline)
	if errors.Is(err, mq.ErrTooLarge) {
		text := err.Error()
		a.kind, a.code, a.metadata = kindError, CodeTooLarge, nil
		waits, err = s.outbox.send(m, h.address, a.append(nil, []byte(text)), h.deadline)
	}
	if waits && err == nil {
		s.cfg.Stats.Kept.Add(1)
	}
	return err
}
