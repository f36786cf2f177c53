package mux

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"sync"
	"time"

	"ipcmq/mq"
)

// maxAbandoned is how many requests that were given up are remembered, to tell
// late replies from duplicate ones.
const maxAbandoned = 1024

// Request sends data as a request of type t and returns the reply. Any server
// that handles t on this queue may answer, in this process or another one. The
// reply belongs to the caller. Queues without types, such as POSIX queues, ignore
// t.
//
// The deadline of ctx travels with the request: no server begins to handle it
// later. Without a deadline, Request waits for ever for a server that was killed
// after it took the request.
//
// The error is a [*RemoteError] if the server answered with one. Otherwise no
// reply came, and whether the request was handled is not known, unless the error
// matches [mq.ErrTooLarge], [mq.ErrInvalidType] or errors.ErrUnsupported, which
// come before it is sent. It matches that of ctx, [mq.ErrRemoved] if the queue
// is gone, and [mq.ErrClosed] if the mux was closed. The first request makes an
// inbox, and fails as that does, such as with [mq.ErrUnavailable].
func (m *Mux) Request(ctx context.Context, t int64, data []byte) ([]byte, error) {
	c, err := m.begin()
	if err != nil {
		return nil, err
	}
	defer m.clients.Done()
	if ctx.Err() != nil {
		return nil, &mq.Error{Op: "request", Kind: ctx.Err(), Err: context.Cause(ctx)}
	}
	h := header{kind: kindRequest, token: c.token, address: c.inbox.Address()}
	h.deadline, _ = ctx.Deadline()
	call := c.register()
	h.id = call.id
	b := h.append(make([]byte, 0, headerSize+len(h.address)+len(data)), data)
	if err := m.queue.Send(ctx, mq.Message{Type: t, Data: b}); err != nil {
		c.forget(call)
		return nil, err
	}
	reply, err := c.await(ctx, call)
	if err != nil {
		c.abandon(call)
		return nil, err
	}
	return reply.payload()
}

// begin returns the client of the mux, which it makes if there is none, and
// counts a request that is under way.
func (m *Mux) begin() (*client, error) {
	m.mu.RLock()
	c, closing := m.client, m.closing
	if c != nil && !closing {
		m.clients.Add(1)
		m.mu.RUnlock()
		return c, nil
	}
	err := m.closed("request")
	m.mu.RUnlock()
	if closing {
		return nil, err
	}
	if err := m.openClient(); err != nil {
		return nil, err
	}
	return m.begin()
}

// openClient makes the client of the mux if there is none. The mux goes on
// meanwhile: an inbox on another host takes a while.
func (m *Mux) openClient() error {
	m.opening.Lock()
	defer m.opening.Unlock()
	m.mu.RLock()
	there := m.client != nil || m.closing
	m.mu.RUnlock()
	if there {
		return nil
	}
	exchange, ok := m.queue.(mq.Exchange)
	if !ok {
		return noInboxes("request", m.queue)
	}
	inbox, err := exchange.NewInbox()
	if err != nil {
		return err
	}
	c := newClient(exchange, inbox, m.cfg.Spin, m.checkInterval(), func(err error) { m.finish(draining, err) })
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closing {
		c.close(m.closed("request"))
		return nil
	}
	m.client = c
	return nil
}

// checkInterval is how often a client that waits for replies looks whether the
// queue of its requests still exists: nobody tells. Servers elsewhere have to be
// asked, which is more work.
func (m *Mux) checkInterval() time.Duration {
	if m.queue.Capabilities().InDoubt {
		return time.Second
	}
	return 100 * time.Millisecond
}

// closeClient makes requests under way fail with err and removes the inbox.
func (m *Mux) closeClient(err error) {
	m.mu.RLock()
	c := m.client
	m.mu.RUnlock()
	if c != nil {
		c.close(err)
	}
}

// A client sends requests and receives the replies in an inbox of its own.
//
// There is no goroutine for that: one of the callers that wait, the leader,
// receives, and hands the others their replies. So a lone caller is woken by the
// kernel itself. A leader that has its own reply passes the lead on.
type client struct {
	inbox   mq.Inbox
	replies mq.Receiver // from the inbox, polling
	token   uint64      // of this inbox, in each request and its reply

	lead   chan struct{} // holds a value while nobody leads
	closed chan struct{}

	mu        sync.Mutex
	err       error // why it was closed
	lastID    uint64
	pending   map[uint64]*call
	abandoned map[uint64]struct{} // ids of requests that were given up without a reply
	stats     RequestStats

	check time.Duration // the time between two looks of watch
	watch *time.Timer   // runs while something is pending
}

type call struct {
	id    uint64
	reply chan reply // for one
}

type reply struct {
	header
	data []byte
}

// payload returns what the server answered.
func (r reply) payload() ([]byte, error) {
	if r.kind == kindError {
		return nil, &RemoteError{Code: r.code, Text: string(r.data)}
	}
	return r.data, nil
}

func newClient(requests mq.Exchange, inbox mq.Inbox, spin, check time.Duration, gone func(error)) *client {
	var token [8]byte
	rand.Read(token[:])
	c := &client{
		inbox:     inbox,
		replies:   mq.Spin(inbox, spin),
		check:     check,
		token:     binary.LittleEndian.Uint64(token[:]),
		lead:      make(chan struct{}, 1),
		closed:    make(chan struct{}),
		pending:   make(map[uint64]*call),
		abandoned: make(map[uint64]struct{}),
	}
	c.lead <- struct{}{}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watch = time.AfterFunc(check, func() {
		if err := requests.Check(); err != nil {
			gone(err)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.pending) > 0 && c.err == nil {
			c.watch.Reset(c.check)
		}
	})
	return c
}

// register makes a call, to which a reply can come.
func (c *client) register() *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastID++
	call := &call{id: c.lastID, reply: make(chan reply, 1)}
	if len(c.pending) == 0 && c.err == nil {
		c.watch.Reset(c.check)
	}
	c.pending[call.id] = call
	c.stats.Sent++
	return call
}

// forget drops a call that no server can know of.
func (c *client) forget(call *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, call.id)
	c.stats.Sent--
}

// abandon drops a call whose reply may still come.
func (c *client) abandon(call *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending[call.id] == nil {
		return
	}
	delete(c.pending, call.id)
	if len(c.abandoned) >= maxAbandoned {
		for id := range c.abandoned { // any: it is for a count only
			delete(c.abandoned, id)
			break
		}
	}
	c.abandoned[call.id] = struct{}{}
}

// await waits for the reply to a call.
func (c *client) await(ctx context.Context, call *call) (reply, error) {
	select {
	case r := <-call.reply:
		return r, nil
	case <-c.lead:
		r, err := c.receive(ctx, call)
		c.lead <- struct{}{}
		return r, err
	case <-c.closed:
		return reply{}, c.reason()
	case <-ctx.Done():
		select {
		case r := <-call.reply: // it came first
			return r, nil
		default:
			return reply{}, &mq.Error{Op: "request", Kind: ctx.Err(), Err: context.Cause(ctx)}
		}
	}
}

// receive, called by the leader, receives until the reply to its own call came.
func (c *client) receive(ctx context.Context, call *call) (reply, error) {
	for {
		select {
		case r := <-call.reply:
			return r, nil
		default:
		}
		m, err := c.replies.Receive(ctx)
		if err != nil {
			if reason := c.reason(); reason != nil {
				err = reason
			}
			return reply{}, err
		}
		c.dispatch(m)
	}
}

// dispatch gives a reply to the call it is for, and counts one that is for none.
func (c *client) dispatch(m mq.Message) {
	h, data, err := parseHeader(m.Data)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil || h.kind == kindRequest || h.token != c.token || h.id == 0 || h.id > c.lastID {
		c.stats.Foreign++
		return
	}
	call := c.pending[h.id]
	if call == nil {
		if _, ok := c.abandoned[h.id]; ok {
			delete(c.abandoned, h.id)
			c.stats.Late++
		} else {
			c.stats.Duplicate++
		}
		return
	}
	delete(c.pending, h.id)
	c.stats.Answered++
	call.reply <- reply{h, data}
}

func (c *client) reason() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// close ends the calls that wait, with err, and removes the inbox.
func (c *client) close(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	c.mu.Unlock()
	c.watch.Stop()
	close(c.closed)
	c.inbox.Remove()
	c.inbox.Close()
}
