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

// ClientConfig says how a client works. The zero value, like a nil
// *ClientConfig, is the recommended one.
type ClientConfig struct {
	// Timeout is how long a request may take whose context has no deadline; 0
	// means DefaultTimeout, and less than 0 for ever.
	Timeout time.Duration

	// MaxUnanswered is how many requests of a type that nobody answers may be in the
	// queue, see [Client.Request]; 0 means DefaultMaxUnanswered, and less than 0
	// any number.
	MaxUnanswered int

	// Spin is how long a caller that waits for replies polls the inbox before it
	// sleeps; 0 means 50 µs, and less than 0 not at all. A message that comes
	// meanwhile is taken without the 10 to 50 µs that waking a thread takes; the
	// price is a busy processor. Where polling finds nothing, it is done ever more
	// rarely, down to once in 256 waits. A queue on other hosts is not polled.
	Spin time.Duration

	// Logger, if not nil, is told that the inbox was removed and made again.
	Logger *slog.Logger
}

// DefaultTimeout is how long a request may take if neither its context nor the
// config of its client says otherwise.
const DefaultTimeout = 30 * time.Second

// DefaultMaxUnanswered is how many requests of a type that nobody answers a client
// leaves in the queue.
const DefaultMaxUnanswered = 32

// A Client makes requests and receives the replies in an inbox of its own. Its
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

	calls   sync.WaitGroup // requests under way
	opening sync.Mutex     // held while the inbox is made; before mu

	mu      sync.RWMutex
	closing bool   // nothing new may begin
	err     error  // of the queue, which ended the client
	inbox   *inbox // made by the first request, and by one that finds it removed
}

// NewClient makes a client whose requests travel in q. It makes no inbox before
// the first request, and does not close q. The error matches
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

// name is how a queue names itself in errors, if it does.
func name(q mq.Queue) string {
	if s, ok := q.(fmt.Stringer); ok {
		return s.String()
	}
	return ""
}

// nameOf is the name of what travels in q with type t.
func nameOf(q mq.Queue, t int64) string {
	text := fmt.Sprintf("of type %d", t)
	if s := name(q); s != "" {
		text += " in " + s
	}
	return text
}

// Request sends data as a request of type t and returns the reply. Any server
// that handles t on this queue may answer, in this process or another one. The
// reply belongs to the caller. Queues without types, such as POSIX queues, ignore
// t.
//
// The deadline of ctx, or else that of ClientConfig.Timeout, travels with the
// request, by a clock that client and server share: no server begins to handle it
// later.
//
// Requests that nobody takes stay in the queue after their deadlines, and cost
// others their room. So a client leaves no more than
// ClientConfig.MaxUnanswered of each type there, nor more than a quarter of the
// room in a queue on this host, but always one. These are the requests that were
// given up since the last answer to one of that type, and until there is a first
// answer also those that wait. The others wait before they are sent: for an
// answer, such as that a request came too late, or until the queue holds less than
// that. If neither comes before the deadline, the error matches [ErrNoServer] as
// well as that of ctx, and the request was not sent. Every now and then, ever more
// rarely, one is sent even so. What cannot be helped: the limit is that of one
// client, so those of a thousand programs that make one request each add up, and
// only a server removes them, or ipcmq drain. Where that may happen, give a
// service a queue of its own.
//
// The error is a [*RemoteError] if the server answered with one. Otherwise no
// reply came, and whether the request was handled is not known, unless the error
// matches [ErrNoServer], [mq.ErrTooLarge], [mq.ErrInvalidType] or
// errors.ErrUnsupported, which come before it is sent. It matches that of ctx and
// its cause, [mq.ErrRemoved] if the queue is gone, [ErrReplyLost] if somebody has
// removed the inbox of the client meanwhile, and [mq.ErrClosed] if the client was
// closed. The first request makes the inbox, and the next one after its removal
// makes another; it fails as that does, such as with [mq.ErrUnavailable].
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
		return nil, c.explain(ctx, t, err, "the request was sent, and no reply has come")
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

// A request is one that was sent.
type request struct {
	in      *inbox
	call    *call
	service *service
	size    int64
}

// send sends a request that takes so many replies at once; 0 means one in all. It is
// counted as being under way.
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

// explain returns the error of a request that err has ended. If that is the end of
// ctx, it says how things stood then.
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

// ended is the error of a request whose context has ended.
func (c *Client) ended(ctx context.Context, t int64) *mq.Error {
	return handle.Ended("request", nameOf(c.queue, t), ctx)
}

// admit begins a call whose request may be sent.
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
		if err != errInboxGone { // then in another one
			return request{}, err
		}
	}
}

// begin registers a call with the inbox of the client, which it makes if there is
// none or somebody has removed it, and counts a request that is under way.
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

// register registers a call, and counts it. If the inbox, which it returns, is of
// no use, there is no call.
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

// openInbox makes an inbox in place of the one that is of no use, nil if there
// was none. Other calls go on meanwhile: an inbox on another host takes a while.
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

// closed is the error of calls that come after the end.
func (c *Client) closed() error {
	e := &mq.Error{Op: "request", Queue: name(c.queue), Kind: mq.ErrClosed, Detail: "the client was closed"}
	if c.err != nil {
		e.Err, e.Detail = c.err, "the client has ended: "+c.err.Error()
	}
	return e
}

// stop begins no more requests. The first error is the one that is kept.
func (c *Client) stop(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closing {
		c.closing, c.err = true, err
	}
}

// end makes requests under way fail and removes the inbox.
func (c *Client) end(err error) {
	c.stop(err)
	c.mu.RLock()
	in, closed := c.inbox, c.closed()
	c.mu.RUnlock()
	if in != nil {
		in.close(closed)
	}
}

// Shutdown ends the client gracefully: it begins no more requests, waits until
// those under way are answered, and removes the inbox.
//
// If ctx ends first, Shutdown closes the client as [Client.Close] does, and the
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

// Close ends the client at once: requests under way fail with [mq.ErrClosed],
// and the inbox is removed. Close may be called more than once. The queue stays
// open.
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
