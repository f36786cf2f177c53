package rpc

import (
	"context"
	"errors"
	"sync"
	"time"

	"ipcmq/mq"
)

// How long an inbox stays open after a reply, and how many do at most.
const (
	staysOpen = 20 * time.Millisecond
	mostOpen  = 64
)

// An opener opens inboxes, once for all that send to one at the same time, and leaves
// each open for a moment: to open an inbox takes longer than to send to it, and a
// client often sends its next request as soon as it has the reply. Not for longer,
// since a POSIX queue that is open counts towards the limits of its client even
// after the client has ended.
type opener struct {
	exchange mq.Exchange

	mu     sync.Mutex
	open   map[string]*openInbox // by address
	idle   int                   // of those, without users
	sweeps bool                  // a timer for sweep is set
	closed bool
}

// An openInbox is an inbox that several goroutines may use. Each calls Close once.
type openInbox struct {
	mq.SendCloser
	opener  *opener
	address string
	users   int
	since   time.Time // the end of the last use
}

func newOpener(exchange mq.Exchange) *opener {
	return &opener{exchange: exchange, open: make(map[string]*openInbox)}
}

// get returns the inbox with that address, open.
func (o *opener) get(address string) (*openInbox, error) {
	if in := o.inUse(address, nil); in != nil {
		return in, nil
	}
	inbox, err := o.exchange.OpenInbox(address)
	if err != nil {
		return nil, err
	}
	in := o.inUse(address, inbox)
	if in.SendCloser != inbox { // somebody else was first
		_ = inbox.Close()
	}
	return in, nil
}

// inUse returns the inbox with that address for one more use, if it is open. If not,
// it is inbox from now on, unless that is nil.
func (o *opener) inUse(address string, inbox mq.SendCloser) *openInbox {
	o.mu.Lock()
	defer o.mu.Unlock()
	in := o.open[address]
	switch {
	case in == nil && inbox == nil:
		return nil
	case in == nil:
		in = &openInbox{SendCloser: inbox, opener: o, address: address}
		o.open[address] = in
	case in.users == 0:
		o.idle--
	}
	in.users++
	return in
}

// TrySend is as [mq.Sender] says.
func (in *openInbox) TrySend(m mq.Message) error {
	return in.forgetRemoved(in.SendCloser.TrySend(m))
}

// Send is as [mq.Sender] says.
func (in *openInbox) Send(ctx context.Context, m mq.Message) error {
	return in.forgetRemoved(in.SendCloser.Send(ctx, m))
}

// forgetRemoved has the address opened again next time if err says that the inbox was
// removed: an address with a key may be that of another inbox by now.
func (in *openInbox) forgetRemoved(err error) error {
	if err != nil && errors.Is(err, mq.ErrRemoved) {
		o := in.opener
		o.mu.Lock()
		defer o.mu.Unlock()
		o.forget(in)
	}
	return err
}

// ended returns an error if nobody can receive from an inbox any more.
func ended(inbox mq.SendCloser) error {
	if c, ok := inbox.(mq.Checker); ok {
		if err := c.Check(); errors.Is(err, mq.ErrRemoved) {
			return err
		}
	}
	return nil
}

// Close ends one use.
func (in *openInbox) Close() error {
	o := in.opener
	o.mu.Lock()
	defer o.mu.Unlock()
	if in.users--; in.users > 0 {
		return nil
	}
	if o.open[in.address] != in || o.closed || o.idle == mostOpen {
		o.forget(in)
		return in.SendCloser.Close()
	}
	o.idle++
	in.since = time.Now()
	if !o.sweeps {
		o.sweeps = true
		time.AfterFunc(staysOpen, o.sweep)
	}
	return nil
}

// forget leaves the inbox to those that use it.
func (o *opener) forget(in *openInbox) {
	if o.open[in.address] == in {
		delete(o.open, in.address)
	}
}

// sweep closes what was not used for a while.
func (o *opener) sweep() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sweeps = o.closeIdle(time.Now().Add(-staysOpen)); o.sweeps {
		time.AfterFunc(staysOpen, o.sweep)
	}
}

// closeIdle closes what was not used since then, and reports whether there is more
// that is not in use.
func (o *opener) closeIdle(since time.Time) (more bool) {
	for _, in := range o.open {
		if in.users == 0 && !in.since.After(since) {
			o.forget(in)
			o.idle--
			_ = in.SendCloser.Close() // nothing was sent that this could undo
		}
	}
	return o.idle > 0
}

// close closes what is not in use, and what is as soon as that ends.
func (o *opener) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.closeIdle(time.Now())
}
