package mqtest

import (
	"io/fs"
	"strconv"
	"strings"
	"sync"

	"ipcmq/mq"
)

var (
	_ mq.Exchange = (*Queue)(nil)
	_ mq.Checker  = (*Queue)(nil)
)

// inboxes holds the inboxes that exist, by their addresses.
var inboxes sync.Map // of *box

// An inbox is an in-memory queue for replies, see [Queue.NewInbox].
type inbox struct{ *Queue }

// NewInbox creates a queue for replies, of the same size as q.
func (q *Queue) NewInbox() (mq.Inbox, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	address := "memory:" + strconv.FormatInt(made.Add(1), 10)
	b := &box{name: address, capacity: q.box.capacity, maxMessage: q.box.maxMessage}
	inboxes.Store(address, b)
	return &inbox{b.open()}, nil
}

// Address returns "memory:" and a number.
func (in *inbox) Address() string { return in.box.name }

// Remove removes the inbox and its messages.
func (in *inbox) Remove() error {
	inboxes.Delete(in.box.name)
	return in.Queue.Remove()
}

// OpenInbox opens the inbox with the given address for sending.
func (q *Queue) OpenInbox(address string) (mq.SendCloser, error) {
	if b, ok := inboxes.Load(address); ok {
		return b.(*box).open(), nil
	}
	e := &mq.Error{Op: "open inbox", Queue: strconv.Quote(address), Kind: fs.ErrNotExist}
	if !strings.HasPrefix(address, "memory:") {
		e.Kind, e.Detail = mq.ErrNotInbox, "the address is not memory: and a number"
	}
	return nil, e
}

// Check returns nil if the queue exists.
func (q *Queue) Check() error {
	q.box.mu.Lock()
	defer q.box.mu.Unlock()
	return q.usable("check")
}
