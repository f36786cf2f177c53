package jetstream

import (
	"context"
	"errors"
	"time"

	"ipcmq/mq"
)

var todo = errors.ErrUnsupported

type receiver struct{}

func (r *receiver) Receive(ctx context.Context) (mq.Message, error)      { return mq.Message{}, todo }
func (r *receiver) ReceiveInto(ctx context.Context, m *mq.Message) error { return todo }
func (r *receiver) TryReceive() (mq.Message, error)                      { return mq.Message{}, todo }
func (r *receiver) TryReceiveInto(m *mq.Message) error                   { return todo }
func (q *Queue) Receive(ctx context.Context) (mq.Message, error)         { return mq.Message{}, todo }
func (q *Queue) ReceiveInto(ctx context.Context, m *mq.Message) error    { return todo }
func (q *Queue) TryReceive() (mq.Message, error)                         { return mq.Message{}, todo }
func (q *Queue) TryReceiveInto(m *mq.Message) error                      { return todo }
func (q *Queue) Select(s mq.Selector) (mq.Receiver, error)               { return nil, todo }
func (q *Queue) SelectLeases(s mq.Selector) (mq.LeaseReceiver, error)    { return nil, todo }
func (q *Queue) Send(ctx context.Context, m mq.Message) error            { return todo }
func (q *Queue) TrySend(m mq.Message) error                              { return todo }
func (q *Queue) Capabilities() mq.Capabilities                           { return mq.Capabilities{} }
func (q *Queue) Close() error                                            { return todo }
func (q *Queue) NewInbox() (mq.Inbox, error)                             { return nil, todo }
func (q *Queue) OpenInbox(address string) (mq.SendCloser, error)         { return nil, todo }
func (q *Queue) Check() error                                            { return todo }
func (q *Queue) Remove() error                                           { return todo }
func (q *Queue) Stat(ctx context.Context) (Stat, error)                  { return Stat{}, todo }
func (q *Queue) String() string                                          { return "" }

// Overhead returns how many bytes a message takes in the queue besides its
// payload, as the server counts them for MaxBytes.
func (q *Queue) Overhead() int { return 0 }

// Stat is what the servers tell of a queue.
type Stat struct {
	Name     string
	Mode     Mode
	Storage  Storage
	Replicas int           // servers that keep each message
	AckWait  time.Duration // length of a lease; 0 in claim mode
	Leader   string        // name of the server that orders the messages; "" for none now

	Messages    int64 // messages in the queue, those that are lent included
	Lent        int64 // messages that are lent now
	Bytes       int64 // bytes in the queue, with overhead
	MaxBytes    int64 // most bytes, with overhead
	MaxMessages int64 // most messages; 0 for no limit

	Created  time.Time // when the queue was created
	LastSend time.Time // when the last message was stored; zero for never
}
