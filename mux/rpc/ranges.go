package rpc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"ipcmq/mq"
)

// ranges are the requests in progress whose callers iterate over many replies. The
// callers send to an inbox of this server that they take more, or have left; the
// first reply creates the inbox.
type ranges struct {
	exchange mq.Exchange
	stats    *ServerStats
	every    time.Duration // the interval of checks of the inboxes

	opening sync.Mutex // held while the inbox is created; locked before mu

	mu      sync.Mutex
	closed  bool
	all     map[rangeKey]*parts
	watcher *time.Timer // runs while there are any
	inbox   mq.Inbox
	stop    context.CancelFunc // of the goroutine that receives from it
	heard   chan struct{}      // closed at the end of this goroutine
}

// mostAtFirst is how many replies are sent to a client before it sends more than its
// request, which may be forged.
const mostAtFirst = 256

type rangeKey struct{ token, id uint64 }

func newRanges(exchange mq.Exchange, stats *ServerStats, every time.Duration) *ranges {
	return &ranges{exchange: exchange, stats: stats, every: every, all: make(map[rangeKey]*parts)}
}

// errTwice: a request that is being handled came again.
var errTwice = fmt.Errorf("%w: it came twice", errHeader)

// enter begins a range, whose context ends with that of the caller.
func (r *ranges) enter(ctx context.Context, h header, name string) (*parts, error) {
	to, err := r.exchange.OpenInbox(h.address)
	if err != nil {
		return nil, err
	}
	p := &parts{ranges: r, header: h, name: name, to: to, turn: make(chan struct{}, 1), more: make(chan struct{}, 1)}
	p.turn <- struct{}{}
	p.upTo.Store(min(uint64(h.window), mostAtFirst))
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	key := rangeKey{h.token, h.id}
	if r.all[key] != nil {
		to.Close()
		p.cancel(nil)
		return nil, errTwice
	}
	r.all[key] = p
	if len(r.all) == 1 && !r.closed {
		if r.watcher == nil {
			r.watcher = time.AfterFunc(r.every, r.watch)
		} else {
			r.watcher.Reset(r.every)
		}
	}
	return p, nil
}

// checkInterval is how often a client that waits for replies checks whether the
// queue of its requests still exists, and each side of many replies whether the
// other one does. On another host this takes a request, and so is done less
// often.
func checkInterval(q mq.Queue) time.Duration {
	if q.Capabilities().Remote {
		return time.Second
	}
	return 100 * time.Millisecond
}

// leave ends a range.
func (r *ranges) leave(p *parts) {
	p.cancel(nil)
	r.mu.Lock()
	delete(r.all, rangeKey{p.token, p.id})
	r.mu.Unlock()
	p.to.Close()
}

// address returns the address of the inbox, for the caller of a range.
func (r *ranges) address(p *parts) (string, error) {
	r.opening.Lock()
	defer r.opening.Unlock()
	r.mu.Lock()
	in, closed := r.inbox, r.closed
	p.announced = in
	r.mu.Unlock()
	if closed {
		return "", &mq.Error{Op: "reply", Queue: p.name, Kind: mq.ErrClosed, Detail: "Handle has ended"}
	}
	if in != nil {
		return in.Address(), nil
	}
	in, err := r.exchange.NewInbox()
	if err != nil {
		return "", err
	}
	ctx, stop := context.WithCancel(context.Background())
	heard := make(chan struct{})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inbox, r.stop, r.heard = in, stop, heard
	p.announced = in
	go func() {
		defer close(heard)
		r.hear(ctx, in)
	}()
	return in.Address(), nil
}

// hear receives what callers send.
func (r *ranges) hear(ctx context.Context, in mq.Inbox) {
	for {
		m, err := in.Receive(ctx)
		if err != nil {
			r.lose(in)
			in.Remove()
			in.Close()
			return
		}
		h, _, err := parseHeader(m.Data)
		if err != nil {
			continue
		}
		r.mu.Lock()
		p := r.all[rangeKey{h.token, h.id}]
		r.mu.Unlock()
		switch {
		case p == nil:
		case h.kind == kindLeft:
			p.cancel(ErrLeft)
		case h.kind == kindMore && h.number > p.upTo.Load():
			p.upTo.Store(h.number)
			select {
			case p.more <- struct{}{}:
			default:
			}
		}
	}
}

// errUnheard: the inbox of the server was removed, or permanently filled.
var errUnheard = errors.New("the inbox to which callers send that they take more replies was removed or filled")

// lose ends the ranges whose callers can no longer be heard, because an inbox is
// gone. The next range gets another inbox.
func (r *ranges) lose(in mq.Inbox) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inbox == in {
		r.inbox = nil
		r.stop()
	}
	for _, p := range r.all {
		if p.announced == in {
			p.cancel(errUnheard)
		}
	}
}

// watch checks whether the callers of all ranges and the inbox still exist.
func (r *ranges) watch() {
	r.mu.Lock()
	in := r.inbox
	list := make([]*parts, 0, len(r.all))
	for _, p := range r.all {
		list = append(list, p)
	}
	r.mu.Unlock()
	if in != nil {
		c, ok := mq.As[mq.Checker](in)
		if ok && errors.Is(c.Check(), mq.ErrRemoved) || !tidy(in) {
			r.lose(in)
		}
	}
	for _, p := range list {
		if gone(r.exchange, p.address, p.to) {
			p.cancel(ErrLeft)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.all) > 0 && !r.closed {
		r.watcher.Reset(r.every)
	}
}

// close removes the inbox. The ranges have ended, or no longer need it.
func (r *ranges) close() {
	r.opening.Lock()
	defer r.opening.Unlock()
	r.mu.Lock()
	r.closed = true
	if r.watcher != nil {
		r.watcher.Stop()
	}
	heard := r.heard
	if r.stop != nil {
		r.stop()
	}
	r.mu.Unlock()
	if heard != nil {
		<-heard
	}
}
