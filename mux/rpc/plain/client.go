package plain

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"ipcmq/internal/handle"
	"ipcmq/internal/reader"
	"ipcmq/mq"
)

// Defaults of [ClientConfig].
const (
	DefaultTimeout    = 30 * time.Second
	DefaultMaxPending = 16
)

// ClientConfig configures a client. The zero value, like a nil *ClientConfig,
// is recommended.
type ClientConfig struct {
	// Timeout is how long a request may take if its context has no deadline; 0
	// means DefaultTimeout, and a negative Timeout means forever.
	Timeout time.Duration

	// MaxPending is how many requests may be in progress; the others wait before
	// they are sent. 0 means DefaultMaxPending.
	MaxPending int

	// Unmatched, if not nil, is called with each message of the reply's type for
	// which no request waits: it has no id, or came after its request was given up.
	// It is called by one goroutine, which receives nothing meanwhile.
	Unmatched func(mq.Message)
}

// A Client makes requests. Its methods may be called by several goroutines at once.
type Client struct {
	queue     mq.Queue
	pattern   Pattern
	timeout   time.Duration
	unmatched func(mq.Message)
	places    chan struct{} // holds a value for each request in progress

	stop  context.CancelFunc
	ended chan struct{} // closed when nothing is received any more

	mu      sync.Mutex
	err     error // the reason
	pending map[string]chan []byte
}

// NewClient returns a client that sends its requests to q. It receives the replies
// until Close, and takes all messages of their type. It does not close q. The error
// matches [mq.ErrInvalidConfig], or errors.ErrUnsupported if the queue of the
// replies cannot select their type.
func NewClient(q mq.Queue, p Pattern, cfg *ClientConfig) (*Client, error) {
	const op = "new client"
	var c ClientConfig
	if cfg != nil {
		c = *cfg
	}
	queue, err := p.check(op, q)
	if err != nil {
		return nil, err
	}
	switch {
	case p.ID == nil:
		return nil, &mq.Error{Op: op, Queue: name(q), Kind: mq.ErrInvalidConfig, Detail: "Pattern.ID is nil: no reply would match its request"}
	case c.MaxPending < 0:
		return nil, &mq.Error{Op: op, Queue: name(q), Kind: mq.ErrInvalidConfig,
			Detail: fmt.Sprintf("MaxPending = %d is negative; 0 means the default of %d", c.MaxPending, DefaultMaxPending)}
	case c.MaxPending == 0:
		c.MaxPending = DefaultMaxPending
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	replies, err := queue.Select(mq.Type(p.ReplyType))
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	client := &Client{
		queue: q, pattern: p, timeout: c.Timeout, unmatched: c.Unmatched, places: make(chan struct{}, c.MaxPending),
		stop: stop, ended: make(chan struct{}), pending: make(map[string]chan []byte),
	}
	go client.receive(ctx, reader.Polling(replies, reader.Spin(queue, 0)))
	return client, nil
}

// Request sends data and returns the whole body of the reply, which belongs to the
// caller.
//
// The error matches that of ctx and its cause, also if the deadline is that of
// ClientConfig.Timeout; its text says whether the request was sent.
// [mq.ErrInvalidConfig] means that data has no id, or that of a request in progress,
// and was not sent. The error matches [mq.ErrClosed] if the client was closed, and
// otherwise it is that of the queue, such as [mq.ErrRemoved] or [mq.ErrTooLarge].
func (c *Client) Request(ctx context.Context, data []byte) ([]byte, error) {
	if _, ok := ctx.Deadline(); !ok && c.timeout > 0 {
		var cancel func()
		ctx, cancel = context.WithTimeoutCause(ctx, c.timeout, fmt.Errorf("no reply within ClientConfig.Timeout = %v", c.timeout))
		defer cancel()
	}
	if err := c.enter(ctx); err != nil {
		return nil, err
	}
	defer func() { <-c.places }()
	id, reply, err := c.register(data)
	if err != nil {
		return nil, err
	}
	defer c.forget(id)
	if err := c.queue.Send(ctx, mq.Message{Type: c.pattern.RequestType, Data: data}); err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			err = c.explain(ctx, "the request was not sent", handle.NoRoom(c.queue, len(data)))
		}
		return nil, err
	}
	select {
	case b := <-reply:
		return b, nil
	case <-ctx.Done():
	case <-c.ended:
	}
	select { // the reply came first
	case b := <-reply:
		return b, nil
	default:
	}
	if ctx.Err() != nil {
		return nil, c.explain(ctx, "the request was sent, but no reply has come")
	}
	return nil, c.reason()
}

// enter waits until another request may be in progress.
func (c *Client) enter(ctx context.Context) error {
	select {
	case c.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return c.explain(ctx, fmt.Sprintf("MaxPending = %d requests are in progress, and this one was not sent", cap(c.places)))
	case <-c.ended:
		return c.reason()
	}
}

// explain returns the error of a request that ctx has ended.
func (c *Client) explain(ctx context.Context, state ...string) error {
	e := handle.Ended("request", fmt.Sprintf("of type %d in %s", c.pattern.RequestType, name(c.queue)), ctx)
	for _, s := range state {
		e = handle.Waited(e, s)
	}
	return e
}

// register makes a place for the reply to a request.
func (c *Client) register(data []byte) (id string, reply chan []byte, err error) {
	id, ok := c.pattern.ID(data)
	c.mu.Lock()
	defer c.mu.Unlock()
	detail := ""
	switch {
	case c.err != nil:
		return "", nil, c.err
	case !ok:
		detail = "the request has no id, so no reply would match it"
	case c.pending[id] != nil:
		detail = fmt.Sprintf("another request with the id %.40q is in progress", id)
	default:
		c.pending[id] = make(chan []byte, 1)
		return id, c.pending[id], nil
	}
	return "", nil, &mq.Error{Op: "request", Queue: name(c.queue), Kind: mq.ErrInvalidConfig, Detail: detail}
}

func (c *Client) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, id)
}

// receive gives each reply to its request, until ctx or the queue ends.
func (c *Client) receive(ctx context.Context, replies mq.Receiver) {
	err := error(&mq.Error{Op: "request", Queue: name(c.queue), Kind: mq.ErrClosed, Detail: "Pattern.ID or Unmatched has ended the goroutine of the client"})
	defer func() {
		c.mu.Lock()
		c.err = err
		c.mu.Unlock()
		close(c.ended)
	}()
	for {
		m, failure := replies.Receive(ctx)
		if failure != nil {
			err = failure
			if ctx.Err() != nil {
				err = &mq.Error{Op: "request", Queue: name(c.queue), Kind: mq.ErrClosed, Detail: "the client was closed"}
			}
			return
		}
		if !c.deliver(m) && c.unmatched != nil {
			c.unmatched(m)
		}
	}
}

// deliver reports whether a request waited for the message.
func (c *Client) deliver(m mq.Message) bool {
	id, ok := c.pattern.ID(m.Data)
	c.mu.Lock()
	defer c.mu.Unlock()
	reply := c.pending[id]
	if !ok || reply == nil {
		return false
	}
	delete(c.pending, id)
	reply <- m.Data
	return true
}

func (c *Client) reason() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close makes requests in progress fail with [mq.ErrClosed] and takes no more
// replies. The queue stays open. Close may be called more than once, but not by
// Unmatched.
func (c *Client) Close() error {
	c.stop()
	<-c.ended
	return nil
}
