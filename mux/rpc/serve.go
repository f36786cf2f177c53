package rpc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"time"

	"ipcmq/mq"
)

const (
	// replyWait is how long a reply waits for room in an inbox. The client
	// empties its inbox while it waits for replies, so one that stays full
	// belongs to a client that was killed or stopped.
	replyWait = 100 * time.Millisecond

	// stuckWait is the same for an inbox that stayed full the last time.
	stuckWait = 2 * time.Millisecond

	// maxStuck is how many such inboxes are remembered.
	maxStuck = 1024
)

// serve answers one request.
func (s *server) serve(m mq.Message) {
	s.busy.Add(1)
	defer func() {
		s.busy.Add(-1)
		s.free <- struct{}{}
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
		s.report(m, fmt.Errorf("%w: %w", ErrNotRequest, err))
		return
	}
	ctx, cancel := s.work, context.CancelFunc(func() {})
	if !h.deadline.IsZero() {
		ctx, cancel = context.WithDeadline(ctx, h.deadline)
	}
	defer cancel()
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		s.cfg.Stats.Expired.Add(1)
		s.report(m, fmt.Errorf("%w: its deadline was %v", ErrExpired, h.deadline))
		return
	}
	// A handler that ends its goroutine comes back here only.
	a := answer{header{kind: kindError, code: CodeNoAnswer}, []byte(ErrNoAnswer.Error()), ErrNoAnswer}
	defer func() { s.settle(m, h, a) }()
	a = s.call(ctx, payload)
}

// An answer is what goes to the client.
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

// settle sends the answer to a request that was handled.
func (s *server) settle(m mq.Message, h header, a answer) {
	count := s.cfg.Stats
	count.Handled.Add(1)
	if a.code == CodeNoAnswer && a.err != nil {
		count.Exited.Add(1)
	}
	if a.err != nil {
		defer s.report(m, a.err)
	}
	a.id, a.token = h.id, h.token
	if !h.deadline.IsZero() && !time.Now().Before(h.deadline) {
		count.Expired.Add(1)
		s.report(m, fmt.Errorf("%w: handled after its deadline %v", ErrExpired, h.deadline))
		return
	}
	if err := s.reply(h.address, a); err != nil {
		if errors.Is(err, mq.ErrNotInbox) {
			count.Refused.Add(1)
		}
		count.Lost.Add(1)
		s.report(m, fmt.Errorf("%w: %w", ErrReplyLost, err))
	}
}

func (s *server) report(m mq.Message, why error) {
	if s.cfg.OnError != nil {
		s.cfg.OnError(m, why)
	}
}

// reply sends the answer to the inbox, without waiting for ever.
func (s *server) reply(address string, a answer) error {
	inbox, err := s.exchange.OpenInbox(address)
	if err != nil {
		return err
	}
	defer inbox.Close()
	err = s.send(inbox, address, a.append(make([]byte, 0, headerSize+len(a.data)), a.data))
	if errors.Is(err, mq.ErrTooLarge) {
		text := err.Error()
		a.kind, a.code = kindError, CodeTooLarge
		return s.send(inbox, address, a.append(nil, []byte(text)))
	}
	return err
}

// send puts b into the inbox. One that stays full is given less time from then
// on, until there is room in it again: killed clients must not hold up others.
func (s *server) send(inbox mq.Sender, address string, b []byte) error {
	m := mq.Message{Type: replyType, Data: b}
	err := inbox.TrySend(m)
	wasStuck := s.isStuck(address)
	if errors.Is(err, mq.ErrFull) {
		patience := replyWait
		if wasStuck {
			patience = stuckWait
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		err = inbox.Send(ctx, m)
	}
	if stuck := errors.Is(err, context.DeadlineExceeded); stuck != wasStuck {
		s.setStuck(address, stuck)
	}
	if errors.Is(err, mq.ErrRemoved) {
		return &mq.Error{Op: "reply", Queue: address, Kind: fs.ErrNotExist, Err: err, Detail: "the client has removed its inbox"}
	}
	return err
}

// replyType is the System V type of replies in an inbox.
const replyType = 1

func (s *server) isStuck(address string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, stuck := s.stuck[address]
	return stuck
}

func (s *server) setStuck(address string, stuck bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !stuck {
		delete(s.stuck, address)
		return
	}
	if s.stuck == nil || len(s.stuck) >= maxStuck {
		s.stuck = make(map[string]struct{})
	}
	s.stuck[address] = struct{}{}
}
