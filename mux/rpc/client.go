package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"ipcmq/internal/handle"
	"ipcmq/internal/lazy"
	"ipcmq/internal/reader"
	"ipcmq/mq"
)

// ClientConfig configures a client. The zero value, like a nil *ClientConfig,
// is recommended.
type ClientConfig struct {
	// Timeout is how long a request may take if its context has no deadline;
	// 0 means DefaultTimeout, and a negative Timeout means forever.
	Timeout time.Duration

	// MaxUnanswered is how many requests of a type that nobody answers may be in the
	// queue, see [Client.Request]; 0 means DefaultMaxUnanswered, and a negative
	// value means any number.
	MaxUnanswered int

	// Spin is how long a caller that waits for replies polls the inbox before it
	// sleeps; 0 means 50 µs, and a negative Spin means not at all. A message that
	// comes meanwhile is taken without the 10 to 50 µs that waking a thread takes,
	// at the cost of a busy processor. While polling finds nothing, it is done
	// less and less often, down to once in 256 waits. A queue on another host is
	// not polled.
	Spin time.Duration

	// Logger, if not nil, logs that the inbox was removed and created again.
	Logger *slog.Logger
}

// DefaultTimeout is the default of ClientConfig.Timeout.
const DefaultTimeout = 30 * time.Second

// DefaultMaxUnanswered is the default of ClientConfig.MaxUnanswered.
const DefaultMaxUnanswered = 32

// A Client makes requests and receives the replies in its own inbox. Its
// methods may be called by several goroutines at once.
type Client struct {
	queue    mq.Queue
	exchange mq.Exchange // the same
	clock    mq.Clocked  // the same; nil if it has none
	spin     time.Duration
	timeout  time.Duration // 0 for none
	logger   *slog.Logger  // nil for none
	stats    clientCounters
	services *services

	calls   sync.WaitGroup // requests in progress
	opening sync.Mutex     // held while the inbox is created; locked before mu

	mu      sync.RWMutex
	closing bool   // nothing new may begin
	err     error  // of the queue, which ended the client
	inbox   *inbox // created by the first request, and again by one that finds it removed
}

// NewClient returns a client that sends its requests to q. It creates no inbox
// before the first request, and does not close q. The error matches
// errors.ErrUnsupported if q has no inboxes.
func NewClient(q mq.Queue, cfg *ClientConfig) (*Client, error) {
	exchange, err := exchangeOf("new client", q)
	if err != nil {
		return nil, err
	}
	var c ClientConfig
	if cfg != nil {
		c = *cfg
	}
	client := &Client{queue: q, exchange: exchange, spin: reader.Spin(q, c.Spin), timeout: max(c.Timeout, 0), logger: c.Logger}
	client.clock, _ = mq.As[mq.Clocked](q)
	if c.Timeout == 0 {
		client.timeout = DefaultTimeout
	}
	if c.MaxUnanswered == 0 {
		c.MaxUnanswered = DefaultMaxUnanswered
	}
	client.services = newServices(q, max(c.MaxUnanswered, 0))
	return client, nil
}

// exchangeOf returns q as a queue with inboxes.
func exchangeOf(op string, q mq.Queue) (mq.Exchange, error) {
	if exchange, ok := mq.As[mq.Exchange](q); ok {
		return exchange, nil
	}
	return nil, &mq.Error{Op: op, Queue: name(q), Kind: errors.ErrUnsupported,
		Detail: fmt.Sprintf("%T has no inboxes for replies: it is not an mq.Exchange", q)}
}

// name returns the name of a queue for errors, or "" if it has none.
func name(q mq.Queue) string {
	if s, ok := q.(fmt.Stringer); ok {
		return s.String()
	}
	return ""
}

// nameOf names the messages of type t in q.
func nameOf(q mq.Queue, t int64) string {
	text := fmt.Sprintf("of type %d", t)
	if s := name(q); s != "" {
		text += " in " + s
	}
	return text
}

// Request sends data as a request of type t and returns the reply. Any server that
// handles t on this queue may answer, in this process or another one. Request does
// not keep data; the reply belongs to the caller. Queues without types, such as
// POSIX queues, ignore t.
//
// The deadline of ctx, or else that of ClientConfig.Timeout, is sent with the
// request, by a clock that client and server share: no server begins to handle the
// request after it.
//
// Requests that nobody takes stay in the queue after their deadlines, and take
// room from others. So a client leaves there at most ClientConfig.MaxUnanswered
// requests of each type, which on this host take at most a quarter of the queue's
// room, but always one. Requests that were given up since the last answer to their
// type count, and until there is a first answer also those that wait. Further
// requests wait before they are sent: for an answer, such as that a request came
// too late, or until the queue holds fewer messages. If neither happens before the
// deadline, the error matches [ErrNoServer] as well as that of ctx, and the
// request was not sent. Now and then, less and less often, a request is sent
// anyway. The limit is per client, so the requests of a thousand programs that
// make one each add up, and only a server or ipcmq drain removes them. If that may
// happen, give the service its own queue.
//
// The error is a [*RemoteError] if the server answered with one. Otherwise no
// reply came, and whether the request was handled is not known, unless the error
// matches [ErrNoServer], [mq.ErrTooLarge], [mq.ErrInvalidType] or
// errors.ErrUnsupported, which mean that it was not sent. The error matches that
// of ctx and its cause, [mq.ErrRemoved] if the queue is gone, [ErrReplyLost] if
// the inbox of the client was removed meanwhile, and [mq.ErrClosed] if the client
// was closed. The first request creates the inbox, and so does the next one after
// its removal; if that fails, so does the request, for example with
// [mq.ErrUnavailable].
func (c *Client) Request(ctx context.Context, t int64, data []byte) ([]byte, error) {
	ctx, cancel := c.withTimeout(ctx)
	defer cancel()
	r, err := c.send(ctx, t, data, 0)
	if err != nil {
		return nil, err
	}
	defer c.calls.Done()
	reply, err := r.in.await(ctx, r.call)
	r.service.ended(r.size, err == nil)
	if err != nil {
		r.in.abandon(r.call, r.service)
		return nil, c.explain(ctx, t, err, "the request was sent, but no reply has come")
	}
	if md, ok := ctx.Value(receivedKey{}).(*Metadata); ok && md != nil {
		*md = reply.metadata
	}
	return reply.payload()
}

// withTimeout returns the context of a request: ctx, with a deadline if it has none.
func (c *Client) withTimeout(ctx context.Context) (context.Context, func()) {
	if _, ok := ctx.Deadline(); ok || c.timeout == 0 {
		return ctx, func() {}
	}
	d := lazy.New(ctx, time.Now().Add(c.timeout), timeoutError(c.timeout))
	return d, func() { d.Cancel(nil) }
}

// A request is a request that was sent.
type request struct {
	in      *inbox
	call    *call
	service *service
	size    int64
}

// send sends a request that takes up to window replies at once; 0 means one in all.
// It is counted as being in progress.
func (c *Client) send(ctx context.Context, t int64, data []byte, window int) (request, error) {
	h := header{kind: kindRequest, window: uint32(window)}
	h.metadata, _ = ctx.Value(sentKey{}).(Metadata)
	if _, err := h.metadata.size("request"); err != nil {
		return request{}, err
	}
	r, err := c.admit(ctx, t, c.services.of(t), h, data)
	if err != nil {
		return r, err
	}
	h.id, h.token, h.address = r.call.id, r.in.token, r.in.queue.Address()
	h.setDeadline(ctx, c.clock)
	b := h.append(make([]byte, 0, r.size), data)
	err = c.queue.Send(ctx, mq.Message{Type: t, Data: b})
	r.service.left(r.size, err == nil)
	if err != nil {
		r.in.forget(r.call)
		c.calls.Done()
		if errors.Is(err, mq.ErrInDoubt) {
			return r, c.explain(ctx, t, err, "it is in doubt whether the request was sent")
		}
		return r, c.explain(ctx, t, err, "the request was not sent", handle.NoRoom(c.queue, len(b)))
	}
	return r, nil
}

// A timeoutError is the cause of a deadline that the caller has not set.
type timeoutError time.Duration

func (e timeoutError) Error() string {
	return fmt.Sprintf("no reply within ClientConfig.Timeout = %v", time.Duration(e))
}

// explain returns the error of a request that err has ended. If err is the end of
// ctx, the error includes state.
func (c *Client) explain(ctx context.Context, t int64, err error, state ...string) error {
	switch {
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		e := c.ended(ctx, t)
		for _, s := range state {
			e = handle.Waited(e, s)
		}
		return e
	case err == errInboxGone:
		return &mq.Error{Op: "request", Queue: nameOf(c.queue, t), Kind: ErrReplyLost,
			Detail: err.Error() + ", and a reply with it; the request may have been handled"}
	}
	return err
}

// ended returns the error of a request whose context has ended.
func (c *Client) ended(ctx context.Context, t int64) *mq.Error {
	return handle.Ended("request", nameOf(c.queue, t), ctx)
}

// admit begins a call when its request may be sent.
func (c *Client) admit(ctx context.Context, t int64, v *service, h header, data []byte) (request, error) {
	for {
		in, call, err := c.begin(ctx, t, int(h.window))
		if err != nil {
			return request{}, err
		}
		h.address = in.queue.Address()
		size := int64(h.size() + dueSize + len(data))
		if err = v.admit(ctx, size, in); err == nil {
			return request{in, call, v, size}, nil
		}
		in.forget(call)
		c.calls.Done()
		if err != errInboxGone { // if it is, try another inbox
			return request{}, err
		}
	}
}

// begin registers a call with the inbox of the client, which it creates if there
// is none or it was removed, and counts a request in progress.
func (c *Client) begin(ctx context.Context, t int64, many int) (*inbox, *call, error) {
	for {
		in, call, err := c.register(ctx, t, many)
		if call != nil || err != nil {
			return in, call, err
		}
		made, err := c.openInbox(in)
		if err != nil {
			return nil, nil, err
		}
		if made && in != nil {
			logInbox(ctx, c.logger, in.queue.Address())
		}
	}
}

// register registers a call, and counts it. If the inbox, which it returns,
// cannot be used, there is no call.
func (c *Client) register(ctx context.Context, t int64, many int) (*inbox, *call, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	switch {
	case c.closing:
		return nil, nil, c.closed()
	case ctx.Err() != nil:
		return nil, nil, c.ended(ctx, t)
	case c.inbox == nil:
		return nil, nil, nil
	}
	if c.inbox.idle() {
		c.inbox.check()
	}
	call := c.inbox.register(many)
	if call != nil {
		c.calls.Add(1)
	}
	return c.inbox, call, nil
}

// openInbox creates an inbox in place of the useless one, which is nil if there
// was none. Other calls continue meanwhile: creating an inbox on another host
// takes a while.
func (c *Client) openInbox(useless *inbox) (made bool, err error) {
	c.opening.Lock()
	defer c.opening.Unlock()
	c.mu.RLock()
	there := c.inbox != useless || c.closing
	c.mu.RUnlock()
	if there {
		return false, nil
	}
	queue, err := c.exchange.NewInbox()
	if err != nil {
		return false, err
	}
	in := newInbox(c.exchange, queue, c.spin, &c.stats)
	in.watch(c.queue, checkInterval(c.queue), c.end)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		in.close(c.closed())
		return false, nil
	}
	c.inbox = in
	return true, nil
}

// closed returns the error of calls after the end.
func (c *Client) closed() error {
	e := &mq.Error{Op: "request", Queue: name(c.queue), Kind: mq.ErrClosed, Detail: "the client was closed"}
	if c.err != nil {
		e.Err, e.Detail = c.err, "the client has ended: "+c.err.Error()
	}
	return e
}

// stop lets no more requests begin. The first error is kept.
func (c *Client) stop(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closing {
		c.closing, c.err = true, err
	}
}

// end makes requests in progress fail and removes the inbox.
func (c *Client) end(err error) {
	c.stop(err)
	c.mu.RLock()
	in, closed := c.inbox, c.closed()
	c.mu.RUnlock()
	if in != nil {
		in.close(closed)
	}
}

// Shutdown ends the client gracefully: no more requests can begin, and when
// those in progress are answered, it removes the inbox.
//
// If ctx ends first, Shutdown closes the client like [Client.Close], and the
// error matches that of ctx and its cause.
func (c *Client) Shutdown(ctx context.Context) error {
	c.stop(nil)
	idle := make(chan struct{})
	go func() {
		c.calls.Wait()
		close(idle)
	}()
	var err error
	select {
	case <-idle:
	case <-ctx.Done():
		err = handle.Ended("shut down client", name(c.queue), ctx)
	}
	return errors.Join(err, c.Close())
}

// Close ends the client immediately: requests in progress fail with
// [mq.ErrClosed], and the inbox is removed. Close may be called more than once.
// The queue stays open.
func (c *Client) Close() error {
	c.end(nil)
	return nil
}

// Stats returns a snapshot of the counters.
func (c *Client) Stats() ClientStats {
	st := &c.stats
	return ClientStats{
		Sent: st.sent.Load(), Answered: st.answered.Load(),
		Late: st.late.Load(), Duplicate: st.duplicate.Load(), Foreign: st.foreign.Load(),
	}
}
