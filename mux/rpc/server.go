package mux

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"ipcmq/mq"
)

// DefaultConcurrency is the number of requests that a handler handles at once
// if its config does not say otherwise.
const DefaultConcurrency = 16

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

// A Handler answers a request. Its reply goes to the client; an error goes there
// as a [*RemoteError], with CodeFailed and the text of the error unless it is a
// *RemoteError itself. A panic goes there too, with CodePanicked.
//
// ctx ends with the deadline of the request, and with [Mux.Close]; a reply that
// comes later is not sent. The request belongs to the handler.
type Handler func(ctx context.Context, request []byte) (reply []byte, err error)

// HandleConfig says how requests are handled. The zero value, like a nil
// *HandleConfig, is the recommended one.
type HandleConfig struct {
	// Concurrency is how many requests are handled at once; 0 means
	// DefaultConcurrency. While all are busy, one more request at most is taken
	// from the queue; the others stay there for other servers.
	Concurrency int

	// OnDiscard, if not nil, is called with each message that was taken and not
	// handled or whose reply was lost, and the reason: it is not a request of
	// this version, its deadline had passed, its inbox is gone or is none.
	OnDiscard func(mq.Message, error)

	// OnPanic, if not nil, is called when the handler has panicked, with the
	// value and the stack. The client gets an error either way.
	OnPanic func(value any, stack []byte)
}

// Handle answers requests of type t with h, and competes for them with every
// other process that does. Queues without types, such as POSIX queues, have
// requests of type 0.
//
// The function that Handle returns ends it: no more requests are taken, and
// those that are taken already are answered, but for one at most that a
// subscription to more types gets as well. It returns at once and may be called
// from within h. The errors are those of [Mux.Subscribe], and
// errors.ErrUnsupported if the queue has no inboxes.
func (m *Mux) Handle(t int64, h Handler, cfg *HandleConfig) (off func(), err error) {
	var c HandleConfig
	if cfg != nil {
		c = *cfg
	}
	if c.Concurrency < 0 {
		return nil, invalid("handle", "Concurrency = %d is negative; 0 is the default of %d", c.Concurrency, DefaultConcurrency)
	}
	if c.Concurrency == 0 {
		c.Concurrency = DefaultConcurrency
	}
	exchange, ok := m.queue.(mq.Exchange)
	if !ok {
		return nil, noInboxes("handle", m.queue)
	}
	selector := mq.Type(t)
	if t == 0 && m.queue.Capabilities().MaxType == 0 {
		selector = mq.Any()
	}
	// Without a buffer, what is not handled yet stays in the queue.
	sub, err := m.subscribe("handle", selector, SubscribeConfig{}, 1)
	if err != nil {
		return nil, err
	}
	s := &server{mux: m, exchange: exchange, handler: h, cfg: c}
	go func() {
		defer m.callbacks.Done()
		var pool errgroup.Group
		for range c.Concurrency {
			pool.Go(func() error {
				for msg := range sub.messages {
					s.serve(msg)
				}
				return nil
			})
		}
		_ = pool.Wait() // serve has no error: it answers it, or counts it
	}()
	return sub.Drain, nil
}

func noInboxes(op string, q mq.Queue) error {
	return &mq.Error{Op: op, Kind: errors.ErrUnsupported,
		Detail: fmt.Sprintf("%T has no inboxes for replies: it is not an mq.Exchange", q)}
}

// Why a message was not handled or its reply was lost, for OnDiscard.
var (
	// ErrNotRequest: the message has no header of a request of this version.
	ErrNotRequest = errors.New("not a request")

	// ErrExpired: the deadline of the request had passed before it was handled,
	// or before there was a reply.
	ErrExpired = errors.New("request has expired")

	// ErrReplyLost: the inbox of the client is gone, stays full, or is none.
	ErrReplyLost = errors.New("reply was lost")
)

// A server answers the requests of one type.
type server struct {
	mux      *Mux
	exchange mq.Exchange
	handler  Handler
	cfg      HandleConfig

	mu    sync.Mutex
	stuck map[string]struct{} // addresses of inboxes that stayed full
}

type serverCounters struct {
	handled, failed, panicked, malformed, expired, refused, lost atomic.Uint64
}

// serve answers one request.
func (s *server) serve(msg mq.Message) {
	count := &s.mux.service
	h, payload, err := parseHeader(msg.Data)
	if err == nil && h.kind != kindRequest {
		err = fmt.Errorf("%w: kind %d", errHeader, h.kind)
	}
	if err == nil && h.id == 0 {
		err = fmt.Errorf("%w: id 0", errHeader)
	}
	if err != nil {
		count.malformed.Add(1)
		s.discarded(msg, fmt.Errorf("%w: %w", ErrNotRequest, err))
		return
	}
	ctx, cancel := s.mux.work, context.CancelFunc(func() {})
	if !h.deadline.IsZero() {
		ctx, cancel = context.WithDeadline(ctx, h.deadline)
	}
	defer cancel()
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		count.expired.Add(1)
		s.discarded(msg, fmt.Errorf("%w: its deadline was %v", ErrExpired, h.deadline))
		return
	}
	answer, data := s.call(ctx, payload)
	answer.id, answer.token = h.id, h.token
	count.handled.Add(1)
	if !h.deadline.IsZero() && !time.Now().Before(h.deadline) {
		count.expired.Add(1)
		s.discarded(msg, fmt.Errorf("%w: handled after its deadline %v", ErrExpired, h.deadline))
		return
	}
	if err := s.reply(h.address, answer, data); err != nil {
		if errors.Is(err, mq.ErrNotInbox) {
			count.refused.Add(1)
		}
		count.lost.Add(1)
		s.discarded(msg, fmt.Errorf("%w: %w", ErrReplyLost, err))
	}
}

func (s *server) discarded(msg mq.Message, why error) {
	if s.cfg.OnDiscard != nil {
		s.cfg.OnDiscard(msg, why)
	}
}

// call calls the handler and returns its answer.
func (s *server) call(ctx context.Context, payload []byte) (answer header, data []byte) {
	count := &s.mux.service
	defer func() {
		if p := recover(); p != nil {
			count.panicked.Add(1)
			answer = header{kind: kindError, code: CodePanicked}
			data = fmt.Appendf(nil, "handler panicked: %v", p)
			if s.cfg.OnPanic != nil {
				s.cfg.OnPanic(p, debug.Stack())
			}
		}
	}()
	data, err := s.handler(ctx, payload)
	if err == nil {
		return header{kind: kindReply}, data
	}
	count.failed.Add(1)
	var remote *RemoteError
	if errors.As(err, &remote) {
		return header{kind: kindError, code: remote.Code}, []byte(remote.Text)
	}
	return header{kind: kindError, code: CodeFailed}, []byte(err.Error())
}

// reply sends the answer to the inbox, without waiting for ever.
func (s *server) reply(address string, answer header, data []byte) error {
	inbox, err := s.exchange.OpenInbox(address)
	if err != nil {
		return err
	}
	defer inbox.Close()
	b := answer.append(make([]byte, 0, headerSize+len(data)), data)
	err = s.send(inbox, address, b)
	if errors.Is(err, mq.ErrTooLarge) {
		text := err.Error()
		answer.kind, answer.code = kindError, CodeTooLarge
		return s.send(inbox, address, answer.append(nil, []byte(text)))
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
