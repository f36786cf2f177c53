package rpc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"sync"
	"time"

	"ipcmq/mq"
)

// replyType is the System V type of replies in an inbox.
const replyType = 1

// Limits of what an outbox keeps. The bytes are those of replies and requests,
// and an overhead for each; if payloads can be large, the limits are higher.
const (
	maxKept      = 16 << 20
	maxKeptEach  = 1 << 20 // for one inbox
	largestKept  = 8       // of the largest payloads together
	largestEach  = 4
	maxBacklogs  = 1024
	keptOverhead = 256

	maxKeptTime = 30 * time.Second // of replies to requests without a deadline
)

const (
	// maxWaiters is how many inboxes have a goroutine that waits for room, and
	// maxWait is how long it waits.
	maxWaiters = 16
	maxWait    = 100 * time.Millisecond

	// The pauses between two looks at an inbox for which no goroutine
	// waits.
	firstPause   = time.Millisecond
	longestPause = 50 * time.Millisecond
)

// An outbox keeps the replies whose inboxes are full, because their client is
// slow, stopped or dead. So no worker waits.
//
// Some inboxes have a goroutine that waits for room, which the kernel wakes
// immediately. Those that stay full, and those beyond that number, are checked
// from time to time by one goroutine for all of them, as long as a client may
// wait for the replies.
type outbox struct {
	inboxes  *opener
	most     int // bytes that are kept
	mostEach int // for one inbox
	lost     func(request mq.Message, err error)
	start    func(func()) // starts a goroutine

	over  context.Context // ends when nothing may be kept any more
	close context.CancelFunc
	more  chan struct{} // has a value after a reply was kept for an inbox without a waiting goroutine

	mu       sync.Mutex
	backlogs map[string]*backlog // by address
	bytes    int
	waiters  int
	looks    bool // a goroutine checks the inboxes without a waiting goroutine
}

// A backlog is the replies kept for one inbox, the oldest first.
type backlog struct {
	address string
	inbox   *openInbox
	replies []kept
	bytes   int
	waited  bool // a goroutine waits for room
	pause   time.Duration
	next    time.Time // of the next look
}

type kept struct {
	request mq.Message
	data    []byte
	until   time.Time
}

func (k kept) size() int { return len(k.request.Data) + len(k.data) + keptOverhead }

func newOutbox(exchange mq.Exchange, start func(func()), lost func(mq.Message, error)) *outbox {
	largest := min(exchange.Capabilities().MaxPayload, math.MaxInt/largestKept)
	o := &outbox{
		inboxes: newOpener(exchange), start: start, lost: lost,
		most: max(maxKept, largestKept*largest), mostEach: max(maxKeptEach, largestEach*largest),
		backlogs: make(map[string]*backlog),
		more:     make(chan struct{}, 1),
	}
	o.over, o.close = context.WithCancel(context.Background())
	return o
}

// send sends a reply, or keeps it until the given time; zero means no limit. An
// error means that it did neither.
func (o *outbox) send(request mq.Message, address string, data []byte, until time.Time) (waits bool, err error) {
	k := kept{request, data, until}
	if o.keepBehind(k, address) {
		return true, nil
	}
	inbox, err := o.inboxes.get(address)
	if err != nil {
		return false, err
	}
	err = inbox.TrySend(k.message())
	if errors.Is(err, mq.ErrRemoved) {
		inbox.Close()
		again, gone := o.inboxes.get(address)
		if gone != nil {
			return false, explain(address, err)
		}
		inbox = again
		err = inbox.TrySend(k.message())
	}
	if !isKept(err) {
		inbox.Close()
		return false, explain(address, err)
	}
	return true, o.keep(k, address, inbox)
}

func (k kept) message() mq.Message { return mq.Message{Type: replyType, Data: k.data} }

// isKept reports whether a reply that met err is kept: it was not taken now, or perhaps
// not, and a client that gets it twice ignores the second one.
func isKept(err error) bool {
	return errors.Is(err, mq.ErrFull) || errors.Is(err, mq.ErrUnavailable) || errors.Is(err, mq.ErrInDoubt)
}

// explain returns err, or if it means so, an error that says that the inbox was
// removed.
func explain(address string, err error) error {
	if errors.Is(err, mq.ErrRemoved) {
		return &mq.Error{Op: "reply", Queue: address, Kind: fs.ErrNotExist, Err: err, Detail: "the client has ended or removed its inbox"}
	}
	return err
}

// keepBehind keeps a reply if others are already kept for the inbox.
func (o *outbox) keepBehind(k kept, address string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.backlogs[address]
	return b != nil && o.add(b, k) == nil
}

// keep keeps a reply for an inbox that was found full.
func (o *outbox) keep(k kept, address string, inbox *openInbox) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.backlogs[address]
	if b != nil { // another worker was first
		inbox.Close()
		return o.add(b, k)
	}
	b = &backlog{address: address, inbox: inbox, pause: firstPause}
	err := error(nil)
	if len(o.backlogs) >= maxBacklogs {
		err = full(address, "replies are kept for %d others, the maximum", maxBacklogs)
	} else {
		err = o.add(b, k)
	}
	if err != nil {
		inbox.Close()
		return err
	}
	o.backlogs[address] = b
	o.attend(b)
	return nil
}

func full(address, format string, args ...any) error {
	return &mq.Error{Op: "reply", Queue: address, Kind: mq.ErrFull, Detail: "the inbox is full, and " + fmt.Sprintf(format, args...)}
}

// add adds a reply to a backlog, if there is room for it.
func (o *outbox) add(b *backlog, k kept) error {
	n := k.size()
	switch {
	case o.over.Err() != nil:
		return full(b.address, "Handle has ended")
	case b.bytes+n > o.mostEach:
		return full(b.address, "%d bytes are kept for it, of at most %d", b.bytes, o.mostEach)
	case o.bytes+n > o.most:
		return full(b.address, "%d bytes are kept for all clients, of at most %d", o.bytes, o.most)
	}
	if k.until.IsZero() {
		k.until = time.Now().Add(maxKeptTime)
	}
	b.replies = append(b.replies, k)
	b.bytes += n
	o.bytes += n
	return nil
}

// attend makes a goroutine wait for room in an inbox, or check it from time to
// time.
func (o *outbox) attend(b *backlog) {
	if o.waiters < maxWaiters && o.over.Err() == nil {
		o.waiters++
		b.waited = true
		o.start(func() { o.wait(b) })
		return
	}
	o.watch(b)
}

// watch adds an inbox to those that one goroutine checks.
func (o *outbox) watch(b *backlog) {
	b.next = time.Now().Add(b.pause)
	if !o.looks {
		o.looks = true
		o.start(o.look)
	}
	select {
	case o.more <- struct{}{}:
	default:
	}
}

// oldest returns the first reply of a backlog, and forgets the backlog if there
// is none.
func (o *outbox) oldest(b *backlog) (k kept, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(b.replies) > 0 {
		return b.replies[0], true
	}
	delete(o.backlogs, b.address)
	b.inbox.Close()
	return kept{}, false
}

// drop removes the first reply of a backlog.
func (o *outbox) drop(b *backlog) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := b.replies[0].size()
	b.replies[0] = kept{}
	b.replies = b.replies[1:]
	b.bytes -= n
	o.bytes -= n
}

// wait sends the replies of a backlog, waiting for room for each, until that
// takes too long.
func (o *outbox) wait(b *backlog) {
	defer func() { // also if the user's function ends this goroutine
		o.mu.Lock()
		defer o.mu.Unlock()
		o.waiters--
		b.waited = false
		if o.backlogs[b.address] == b {
			o.watch(b)
		}
	}()
	for {
		k, ok := o.oldest(b)
		if !ok {
			return
		}
		ctx, cancel := context.WithTimeout(o.over, min(maxWait, time.Until(k.until)))
		err := b.inbox.Send(ctx, k.message())
		ended := ctx.Err() != nil && errors.Is(err, ctx.Err())
		cancel()
		if ended {
			return
		}
		o.drop(b)
		if err != nil {
			o.lost(k.request, explain(b.address, err))
		}
	}
}

// look checks the inboxes without a waiting goroutine, until there are none.
func (o *outbox) look() {
	over := false
	defer func() {
		if !over { // the user's function has ended this goroutine
			o.start(o.look)
		}
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-o.more:
		case <-o.over.Done():
		}
		for _, b := range o.due() {
			o.flush(b)
		}
		o.mu.Lock()
		pause := longestPause
		over = true
		for _, b := range o.backlogs {
			if !b.waited {
				over = false
				pause = min(pause, time.Until(b.next))
			}
		}
		if over {
			o.looks = false
			o.mu.Unlock()
			return
		}
		o.mu.Unlock()
		timer.Reset(pause)
	}
}

// due returns the backlogs to check now.
func (o *outbox) due() (list []*backlog) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	for _, b := range o.backlogs {
		if !b.waited && (!now.Before(b.next) || o.over.Err() != nil) {
			list = append(list, b)
		}
	}
	return list
}

// flush sends the first reply of a backlog if there is room, and then attends to the
// others. It gives up those that nobody waits for any more, because it is too late or
// their client has ended.
func (o *outbox) flush(b *backlog) {
	for {
		k, ok := o.oldest(b)
		if !ok {
			return
		}
		err := b.inbox.TrySend(k.message())
		if errors.Is(err, mq.ErrFull) && b.pause >= longestPause {
			err = cmp.Or(ended(b.inbox.SendCloser), err)
		}
		late := !time.Now().Before(k.until)
		if isKept(err) && !late && o.over.Err() == nil {
			o.mu.Lock()
			defer o.mu.Unlock()
			b.pause = min(2*b.pause, longestPause)
			b.next = time.Now().Add(b.pause)
			return
		}
		o.drop(b)
		switch {
		case errors.Is(err, mq.ErrFull) && late:
			o.lost(k.request, fmt.Errorf("the inbox stayed full until the request's deadline: %w: %w", context.DeadlineExceeded, err))
		case errors.Is(err, mq.ErrFull):
			o.lost(k.request, full(b.address, "Handle has ended"))
		case err != nil:
			o.lost(k.request, explain(b.address, err))
		default:
			o.mu.Lock()
			b.pause = firstPause
			if len(b.replies) > 0 && o.waiters < maxWaiters && o.over.Err() == nil {
				o.attend(b)
				o.mu.Unlock()
				return
			}
			o.mu.Unlock()
		}
	}
}
