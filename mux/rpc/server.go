package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"ipcmq/internal/reader"
	"ipcmq/mq"
)

// Defaults of [Config].
const (
	// DefaultConcurrency is the default of Config.Concurrency.
	DefaultConcurrency = 16

	// DefaultDrain is the default of Config.Drain.
	DefaultDrain = 30 * time.Second
)

const (
	// lastWait is how long Handle waits for handlers whose contexts have ended, so
	// that those that react can still answer.
	lastWait = time.Second

	// maxOverruns is how many handlers that do not return get a successor.
	maxOverruns = 1000
)

// A Handler answers a request. Its reply is sent to the client; an error is sent
// as a [*RemoteError], with CodeFailed and the text of the error unless it is a
// *RemoteError itself. A panic is sent with CodePanicked, and the end of the
// goroutine with CodeNoAnswer.
//
// ctx has the values of that of [Handle]. It ends at the deadline of the
// request, after which no reply is sent, and when Config.Drain is over. The
// request belongs to the handler.
type Handler func(ctx context.Context, request []byte) (reply []byte, err error)

// Config configures how requests are handled. The zero value, like a nil
// *Config, is recommended.
type Config struct {
	// Concurrency is how many requests are handled at once; 0 means
	// DefaultConcurrency. No more are taken than are handled, so the others stay
	// in the queue for other servers.
	Concurrency int

	// Drain is how long the requests that are being handled, and replies that wait
	// for room in an inbox, may take after the context of Handle has ended; 0
	// means DefaultDrain, and a negative Drain means without a limit. Then the
	// contexts of the handlers end, and those replies are given up.
	Drain time.Duration

	// Spin is how long Handle polls an empty queue before it sleeps; 0 means 50
	// µs, and a negative Spin means not at all. A message that comes meanwhile is
	// taken without the 10 to 50 µs that waking a thread takes, at the cost of a
	// busy processor. While polling finds nothing, it is done less and less often,
	// down to once in 256 waits. A queue on another host is not polled.
	Spin time.Duration

	// OnError, if not nil, is called with each message that was taken but not
	// handled, or whose reply was lost, and the reason: [ErrNotRequest],
	// [ErrExpired] or [ErrReplyLost]. It is also called when the handler panics,
	// with a [*mq.PanicError], ends its goroutine, with [ErrNoAnswer], or does not
	// return, with [ErrOverrun]; the first two are also sent to the client. An
	// error that the handler returns is sent to the client only. OnError may be
	// called by several goroutines at once.
	OnError func(request mq.Message, err error)

	// Logger, if not nil, logs what OnError is called with, at level Warn. Payloads
	// are not logged.
	Logger *slog.Logger

	// Stats, if not nil, is updated.
	Stats *ServerStats
}

// Handle answers requests of type t in q with h, competing with all other servers
// of t. In queues without types, such as POSIX queues, t is 0. A server of several
// types calls Handle for each.
//
// A reply that finds its inbox full, because the client is stopped or has little
// processor time, is kept and sent when there is room, until the deadline of the
// request, or for 30 s if it has none: up to 1 MiB for each client and 16 MiB in
// total, or, if that is more, 4 and 8 times the largest payload that q takes. No
// handler waits for that.
//
// Handle returns when ctx ends or the queue is closed or removed. It takes no more
// requests, and waits until those that it has are answered. Their contexts end
// when Config.Drain is over, and Handle returns at most a second later. It returns
// nil if ctx has ended and every request was answered; if Drain was not enough, it
// returns an error that matches [context.DeadlineExceeded] and says how many
// handlers have not returned: those continue, and still answer if they ever
// return.
//
// Otherwise the error is that of the queue, such as [mq.ErrClosed] or
// [mq.ErrRemoved]. Before anything is taken, it matches [mq.ErrInvalidConfig],
// [mq.ErrInvalidType], or errors.ErrUnsupported if the queue has no inboxes or
// cannot select t.
func Handle(ctx context.Context, q mq.Queue, t int64, h Handler, cfg *Config) error {
	s, err := newServer(q, nameOf(q, t), h, cfg)
	if err != nil {
		return err
	}
	selector := mq.Type(t)
	if t == 0 && q.Capabilities().MaxType == 0 {
		selector = mq.Any()
	}
	receiver, err := q.Select(selector)
	if err != nil {
		return err
	}
	s.requests = reader.Polling(receiver, reader.Spin(q, s.cfg.Spin))
	return s.run(ctx)
}

// HandleMessages is [Handle] for requests that were taken from q by other means,
// for example by a subscription of a mux to several types. Replies are sent to
// the inboxes of q's clients. It also returns when the channel is closed.
// Messages that are in the channel when ctx ends stay there.
func HandleMessages(ctx context.Context, q mq.Queue, messages <-chan mq.Message, h Handler, cfg *Config) error {
	s, err := newServer(q, "in "+name(q), h, cfg)
	if err != nil {
		return err
	}
	if messages == nil {
		return &mq.Error{Op: "handle", Queue: name(q), Kind: mq.ErrInvalidConfig, Detail: "the channel is nil"}
	}
	s.messages = messages
	return s.run(ctx)
}

func newServer(q mq.Queue, what string, h Handler, cfg *Config) (*server, error) {
	var c Config
	if cfg != nil {
		c = *cfg
	}
	if err := c.complete(q, h); err != nil {
		return nil, err
	}
	exchange, err := exchangeOf("handle", q)
	if err != nil {
		return nil, err
	}
	s := &server{
		exchange: exchange, handler: h, cfg: c, name: what,
		near: !q.Capabilities().Remote,
		free: make(chan struct{}, c.Concurrency),
		jobs: make(chan mq.Message), returned: make(chan struct{}, 1),
	}
	s.clock, _ = mq.As[mq.Clocked](q)
	s.ranges = newRanges(exchange, c.Stats, checkInterval(q))
	s.outbox = newOutbox(exchange, s.workers.Go, s.lost)
	return s, nil
}

// complete fills in the defaults.
func (c *Config) complete(q mq.Queue, h Handler) error {
	detail := ""
	switch {
	case h == nil:
		detail = "the handler is nil"
	case c.Concurrency < 0:
		detail = fmt.Sprintf("Concurrency = %d is negative; 0 means the default of %d", c.Concurrency, DefaultConcurrency)
	}
	if detail != "" {
		return &mq.Error{Op: "handle", Queue: name(q), Kind: mq.ErrInvalidConfig, Detail: detail}
	}
	if c.Concurrency == 0 {
		c.Concurrency = DefaultConcurrency
	}
	if c.Drain == 0 {
		c.Drain = DefaultDrain
	}
	if c.Stats == nil {
		c.Stats = new(ServerStats)
	}
	return nil
}

// A server answers the requests of one type.
//
// One goroutine takes them, so that at most one thread sleeps in the kernel,
// and only when a worker is free.
type server struct {
	exchange mq.Exchange
	clock    mq.Clocked // the same; nil if it has none
	handler  Handler
	cfg      Config
	name     string            // of the requests, in errors
	requests mq.Receiver       // polling
	messages <-chan mq.Message // or these
	near     bool              // not on another host
	alone    bool              // no request immediately followed the last one

	taking  context.Context // ends when no more requests may be taken
	stop    context.CancelCauseFunc
	work    context.Context // of the handlers
	end     context.CancelCauseFunc
	free    chan struct{}   // holds one for each free worker
	jobs    chan mq.Message // to one of them
	workers sync.WaitGroup
	busy    atomic.Int64 // requests that are being handled

	overruns atomic.Int64  // handlers whose workers were replaced, and that have not returned
	returned chan struct{} // has a value after one of them has returned

	outbox *outbox
	ranges *ranges

	mu      sync.Mutex
	failure error // of the queue
}

// run handles requests until ctx or the queue ends, and those that it has taken.
func (s *server) run(ctx context.Context) error {
	s.taking, s.stop = context.WithCancelCause(ctx)
	defer s.stop(nil)
	s.work, s.end = context.WithCancelCause(context.WithoutCancel(ctx))
	defer s.end(nil)
	defer s.ranges.close()
	defer s.outbox.inboxes.close()
	defer s.outbox.close()
	s.workers.Go(s.take)
	for range s.cfg.Concurrency {
		s.free <- struct{}{}
		s.workers.Add(1)
		go s.worker()
	}
	idle := make(chan struct{})
	go func() {
		s.workers.Wait()
		close(idle)
	}()
	<-s.taking.Done()
	return errors.Join(s.drain(idle), s.queueError())
}

// drain waits for the handlers.
func (s *server) drain(idle <-chan struct{}) error {
	var over <-chan time.Time
	if s.cfg.Drain > 0 {
		timer := time.NewTimer(s.cfg.Drain)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-idle:
		timer := time.NewTimer(lastWait)
		defer timer.Stop()
		return s.leftBehind(timer.C)
	case <-over:
	}
	late := s.busy.Load()
	s.outbox.close()
	s.end(fmt.Errorf("rpc.Handle has ended, and %v later this request was not handled", s.cfg.Drain))
	timer := time.NewTimer(lastWait)
	defer timer.Stop()
	err := &mq.Error{Op: "handle requests", Queue: s.name, Kind: context.DeadlineExceeded,
		Detail: fmt.Sprintf("%d were not handled within Drain = %v, so their contexts were ended", late, s.cfg.Drain)}
	select {
	case <-idle:
		if late == s.overruns.Load() { // only replies were left, which are reported as lost
			return s.leftBehind(timer.C)
		}
	case <-timer.C:
		err.Detail += fmt.Sprintf("; the handlers of %d have not returned", s.busy.Load())
	}
	return err
}

// leftBehind waits for handlers whose requests nobody waits for any more, and returns
// an error if over comes before they return. They may be about to return: a process
// that was stopped finds all deadlines passed.
func (s *server) leftBehind(over <-chan time.Time) error {
	for s.overruns.Load() > 0 {
		select {
		case <-s.returned:
			continue
		case <-over:
		}
		break
	}
	n := s.overruns.Load()
	if n == 0 {
		return nil
	}
	return &mq.Error{Op: "handle requests", Queue: s.name, Kind: context.DeadlineExceeded,
		Detail: fmt.Sprintf("the handlers of %d have not returned, long after their deadlines", n)}
}

// errNoMore: the channel of messages was closed.
var errNoMore = errors.New("no more messages")

// fail ends the server with the error of the queue.
func (s *server) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taking.Err() == nil {
		if err != errNoMore {
			s.failure = err
		}
		s.stop(err)
	}
}

func (s *server) queueError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure
}

// take takes requests, each when a worker is free, until taking ends.
func (s *server) take() {
	defer close(s.jobs)
	for {
		select {
		case <-s.free:
		case <-s.taking.Done():
			return
		}
		m, err := s.receive()
		if err != nil {
			s.fail(err)
			return
		}
		s.jobs <- m
	}
}

// receive takes a request. If there is none it lets the workers run on this
// thread, since waking another takes longer. If the last request was not
// immediately followed by another, the client is probably alone and waits for
// that worker.
func (s *server) receive() (mq.Message, error) {
	if s.taking.Err() != nil {
		return mq.Message{}, s.taking.Err()
	}
	if s.messages != nil {
		select {
		case m, ok := <-s.messages:
			if !ok {
				return m, errNoMore
			}
			return m, nil
		case <-s.taking.Done():
			return mq.Message{}, s.taking.Err()
		}
	}
	if s.near {
		if s.alone {
			runtime.Gosched()
		}
		m, err := s.requests.TryReceive()
		if s.alone = errors.Is(err, mq.ErrEmpty); !s.alone {
			return m, err
		}
		runtime.Gosched()
	}
	return s.requests.Receive(s.taking)
}

// worker handles one request after the other. If a handler ends its goroutine, or
// has not returned long after the deadline, another worker takes its place.
func (s *server) worker() {
	over, ended := overrun{server: s}, false
	defer func() {
		switch {
		case over.replaced:
		case ended:
			s.workers.Done()
		default:
			go s.worker()
		}
	}()
	for m := range s.jobs {
		s.serve(m, &over)
		if over.replaced { // it does not change after serve has returned
			return
		}
	}
	ended = true
}
