package plain

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"ipcmq/mq"
)

// Defaults of [Config].
const (
	DefaultConcurrency = 8
	DefaultDrain       = 5 * time.Second
)

const (
	maxKept  = 1024        // replies that wait for room
	lastWait = time.Second // for handlers whose contexts have ended
)

// ErrNoAnswer: the handler ended its goroutine, with runtime.Goexit.
var ErrNoAnswer = errors.New("handler ended without an answer")

// A Handler returns the whole body of the reply to a request, which must contain
// the id of the request. The request belongs to the handler; the reply belongs to
// Handle. If it returns an error, no reply is sent.
type Handler func(ctx context.Context, request []byte) ([]byte, error)

// Config configures Handle. The zero value, like a nil *Config, is recommended.
type Config struct {
	// Concurrency is how many requests are handled at once; 0 means
	// DefaultConcurrency.
	Concurrency int

	// Drain is how long the requests that are being handled, and replies that wait for
	// room, may take after the context of Handle has ended; 0 means DefaultDrain. Then
	// the contexts of the handlers end, and those replies are given up.
	Drain time.Duration

	// OnError, if not nil, is called with each request that was not answered, and the
	// reason: what the handler returned, a [*mq.PanicError], [ErrNoAnswer], or the
	// error of sending the reply. It may be called by several goroutines at once.
	OnError func(request mq.Message, err error)
}

// A server answers requests.
type server struct {
	queue    mq.Queue // of the replies
	typ      int64    // of the replies
	requests mq.Receiver
	handler  Handler
	onError  func(mq.Message, error)

	taking  context.Context
	stop    context.CancelCauseFunc
	work    context.Context // of the handlers
	workers sync.WaitGroup
	busy    atomic.Int64
	kept    chan kept // replies that wait for room

	mu      sync.Mutex
	failure error // of the queue
}

// A kept is a reply that found no room.
type kept struct{ request, reply mq.Message }

// Handle answers the requests in q with h. A reply that finds no room is kept, up to
// 1,024 of them, and requests are taken meanwhile, which makes room.
//
// Handle returns when ctx ends or the queue is closed or removed. It takes no more
// requests, and waits up to Config.Drain until those that it has are answered. It
// returns nil after ctx has ended, or an error that matches [context.DeadlineExceeded]
// if handlers have not returned a second after their contexts ended. Otherwise the
// error is that of the queue. Before anything is taken, it matches
// [mq.ErrInvalidConfig], or errors.ErrUnsupported if q cannot select the type.
func Handle(ctx context.Context, q mq.Queue, p Pattern, h Handler, cfg *Config) error {
	var c Config
	if cfg != nil {
		c = *cfg
	}
	replies, err := p.check("handle", q)
	if err != nil {
		return err
	}
	if h == nil || c.Concurrency < 0 || c.Drain < 0 {
		return &mq.Error{Op: "handle", Queue: name(q), Kind: mq.ErrInvalidConfig,
			Detail: fmt.Sprintf("the handler is nil, or Concurrency = %d or Drain = %v is negative; 0 means the defaults of %d and %v", c.Concurrency, c.Drain, DefaultConcurrency, DefaultDrain)}
	}
	if c.Concurrency == 0 {
		c.Concurrency = DefaultConcurrency
	}
	if c.Drain == 0 {
		c.Drain = DefaultDrain
	}
	requests, err := q.Select(mq.Type(p.RequestType))
	if err != nil {
		return err
	}
	s := &server{queue: replies, typ: p.ReplyType, requests: requests, handler: h, onError: c.OnError, kept: make(chan kept, maxKept)}
	s.taking, s.stop = context.WithCancelCause(ctx)
	defer s.stop(nil)
	var end context.CancelCauseFunc
	s.work, end = context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	for range c.Concurrency {
		s.workers.Go(s.take)
	}
	idle := make(chan struct{})
	go func() {
		s.workers.Wait()
		close(s.kept)
	}()
	go func() {
		defer close(idle)
		s.sendKept()
	}()
	<-s.taking.Done()
	drain := time.NewTimer(c.Drain)
	defer drain.Stop()
	select {
	case <-idle:
		return s.failure
	case <-drain.C:
	}
	end(fmt.Errorf("plain.Handle has ended, and %v later this request was not answered", c.Drain))
	last := time.NewTimer(lastWait)
	defer last.Stop()
	select {
	case <-idle:
		return s.failure
	case <-last.C:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.failure, &mq.Error{Op: "handle", Queue: name(q), Kind: context.DeadlineExceeded,
		Detail: fmt.Sprintf("the handlers of %d requests have not returned within Drain = %v", s.busy.Load(), c.Drain)})
}

// take takes requests and answers them, until taking ends.
func (s *server) take() {
	for {
		m, err := s.requests.Receive(s.taking)
		if err != nil {
			s.fail(err)
			return
		}
		s.serve(m)
	}
}

// fail ends the server with the error of the queue.
func (s *server) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taking.Err() == nil {
		s.failure = err
		s.stop(err)
	}
}

// serve answers one request. A goroutine that a function of the user has ended is
// replaced.
func (s *server) serve(m mq.Message) {
	s.busy.Add(1)
	answered, goesOn := false, false
	defer func() {
		s.busy.Add(-1)
		if !goesOn {
			s.workers.Go(s.take)
		}
		if !answered {
			s.report(m, ErrNoAnswer)
		}
	}()
	reply, err := s.call(m.Data)
	answered = true
	if err == nil {
		err = s.reply(kept{m, mq.Message{Type: s.typ, Data: reply}})
	}
	if err != nil {
		s.report(m, err)
	}
	goesOn = true
}

func (s *server) call(request []byte) (reply []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &mq.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return s.handler(s.work, request)
}

// reply sends a reply, or keeps it if there is no room.
func (s *server) reply(k kept) error {
	err := s.queue.TrySend(k.reply)
	if !errors.Is(err, mq.ErrFull) {
		return err
	}
	select {
	case s.kept <- k:
		return nil
	case <-s.work.Done():
		return err
	}
}

// sendKept sends kept replies when there is room, until there are no workers.
func (s *server) sendKept() {
	for k := range s.kept {
		if err := s.queue.Send(s.work, k.reply); err != nil {
			s.report(k.request, err)
		}
	}
}

func (s *server) report(m mq.Message, err error) {
	if s.onError != nil {
		s.onError(m, err)
	}
}
