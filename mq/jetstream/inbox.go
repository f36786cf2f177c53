package jetstream

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"

	"github.com/nats-io/nats.go"

	"ipcmq/internal/handle"
	"ipcmq/mq"
)

// InboxMessages is how many unreceived messages an inbox holds.
const InboxMessages = 256

const (
	inboxScheme = "jetstream:"

	// inboxID is the length of the random part of an address.
	inboxID = 26

	// knownIDs is how many ids of messages an inbox remembers, to recognize those
	// that are sent again because the answer was lost.
	knownIDs = 256
)

// What an inbox answers to each message.
const (
	answerTaken = "taken"
	answerFull  = "full"
)

// An inbox is a queue for replies in the memory of this program, which others
// reach through the servers; see [Queue.NewInbox].
type inbox struct {
	q       *Queue
	id      string
	address string
	sub     *nats.Subscription

	mu      sync.Mutex
	waiting []mq.Message
	ids     []string // of the last messages
	err     error    // mq.ErrClosed or mq.ErrRemoved
	life    context.Context
	end     context.CancelFunc
	arrived bell
	room    bell
}

var _ mq.Inbox = (*inbox)(nil)

// NewInbox creates a queue for replies, which lives as long as this handle. It
// holds [InboxMessages] messages in memory: they travel through the servers but
// are not stored there, so that a reply takes one round trip and leaves nothing
// behind when the client is gone. Each is confirmed by this program, so that the
// sender knows whether it has arrived.
func (q *Queue) NewInbox() (mq.Inbox, error) {
	const op = "new inbox"
	c, err := q.begin(op, context.Background(), false, true)
	if err != nil {
		return nil, err
	}
	defer c.end()
	in := &inbox{q: q, id: rand.Text()}
	in.address = inboxScheme + q.handle.Name + ":" + in.id
	in.life, in.end = context.WithCancel(context.Background())
	in.sub, err = q.nc.Subscribe(q.subjects.inbox(in.id)+"*", in.deliver)
	if err != nil {
		return nil, q.failed(op, err)
	}
	// The address works once the server knows it.
	ctx, cancel := context.WithTimeout(c.ctx, answerWait)
	defer cancel()
	if err := q.nc.FlushWithContext(ctx); err != nil {
		in.sub.Unsubscribe()
		return nil, q.failed(op, err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.inboxes[in] = struct{}{}
	return in, nil
}

// deliver accepts a message if there is room, and answers.
func (in *inbox) deliver(m *nats.Msg) {
	m.Respond([]byte(in.accept(m))) // without an answer the sender asks again
}

func (in *inbox) accept(m *nats.Msg) string {
	t := typeOf(m.Subject)
	if t == 0 { // a ping, which asks whether there is an inbox
		return answerTaken
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	id := m.Header.Get(nats.MsgIdHdr)
	switch {
	case id != "" && slices.Contains(in.ids, id):
		return answerTaken
	case in.err != nil || len(in.waiting) >= InboxMessages:
		return answerFull
	}
	if len(in.ids) == knownIDs {
		in.ids = in.ids[1:]
	}
	in.ids = append(in.ids, id)
	in.waiting = append(in.waiting, messageOf(m))
	in.arrived.ring()
	return answerTaken
}

// Address returns "jetstream:", the name of the queue, ":" and a random text.
func (in *inbox) Address() string { return in.address }

// String returns the address.
func (in *inbox) String() string { return in.address }

// Close ends the inbox: its messages are discarded, and sending to it fails.
func (in *inbox) Close() error { return in.finish(mq.ErrClosed) }

// Remove removes the inbox with what is in it.
func (in *inbox) Remove() error {
	if err := in.usable("remove"); err != nil {
		return err
	}
	return in.finish(mq.ErrRemoved)
}

func (in *inbox) finish(why error) error {
	in.mu.Lock()
	ended := in.err != nil
	if !ended || why == mq.ErrClosed {
		in.err = why
	}
	in.waiting = nil
	in.mu.Unlock()
	if ended {
		return nil
	}
	in.end()
	in.sub.Unsubscribe() // fails if the connection is closed, which ends it too
	if in.q.nc.IsConnected() {
		_ = in.q.nc.FlushTimeout(answerWait) // so that sending fails from now on
	}
	in.q.mu.Lock()
	defer in.q.mu.Unlock()
	delete(in.q.inboxes, in)
	return nil
}

func (in *inbox) fail(op string, kind error, detail string) *mq.Error {
	return &mq.Error{Op: op, Queue: in.address, Kind: kind, Detail: detail}
}

func (in *inbox) usable(op string) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.err != nil {
		return in.fail(op, in.err, "")
	}
	return nil
}

// Capabilities returns what the inbox can do.
func (in *inbox) Capabilities() mq.Capabilities {
	return mq.Capabilities{
		MaxType:     in.q.Capabilities().MaxType,
		MaxPayload:  in.q.maxInboxPayload(),
		Selectors:   []mq.SelectorKind{mq.SelectAny},
		SeesRemoval: true,
	}
}

// Select returns the inbox itself for Any, and refuses everything else.
func (in *inbox) Select(s mq.Selector) (mq.Receiver, error) {
	if err := s.Validate(); err != nil {
		return nil, in.fail("select", mq.ErrInvalidType, s.String()+": message types begin at 1")
	}
	if s != mq.Any() {
		return nil, in.fail("select", errors.ErrUnsupported, "an inbox has no selectors but any")
	}
	return in, nil
}

// Receive takes the next message, waiting for one. See [mq.Receiver].
func (in *inbox) Receive(ctx context.Context) (mq.Message, error) { return in.receive(ctx, true) }

func (in *inbox) receive(ctx context.Context, waits bool) (m mq.Message, err error) {
	err = in.wait(ctx, waits, "receive", &in.arrived, func() bool {
		if len(in.waiting) == 0 {
			return false
		}
		m = in.waiting[0]
		in.waiting = slices.Delete(in.waiting, 0, 1)
		in.room.ring()
		return true
	})
	return m, err
}

// ReceiveInto is Receive into *m. See [mq.Receiver].
func (in *inbox) ReceiveInto(ctx context.Context, m *mq.Message) error {
	got, err := in.Receive(ctx)
	return store(m, got, err)
}

// TryReceive takes the next message if there is one. See [mq.Receiver].
func (in *inbox) TryReceive() (mq.Message, error) { return in.receive(context.Background(), false) }

// TryReceiveInto is TryReceive into *m. See [mq.Receiver].
func (in *inbox) TryReceiveInto(m *mq.Message) error {
	got, err := in.receive(context.Background(), false)
	return store(m, got, err)
}

// Send puts a message into the inbox from this side. See [mq.Sender].
func (in *inbox) Send(ctx context.Context, m mq.Message) error { return in.send(ctx, true, m) }

func (in *inbox) send(ctx context.Context, waits bool, m mq.Message) error {
	if err := in.q.sendableTo(in.address, m); err != nil {
		return err
	}
	m = mq.Message{Type: m.Type, Data: append([]byte{}, m.Data...)}
	return in.wait(ctx, waits, "send", &in.room, func() bool {
		if len(in.waiting) >= InboxMessages {
			return false
		}
		in.waiting = append(in.waiting, m)
		in.arrived.ring()
		return true
	})
}

// TrySend is Send without waiting. See [mq.Sender].
func (in *inbox) TrySend(m mq.Message) error { return in.send(context.Background(), false, m) }

// wait calls do, with the lock held, until it reports success: at once, and each
// time the bell rings, until ctx ends.
func (in *inbox) wait(ctx context.Context, waits bool, op string, b *bell, do func() bool) error {
	for {
		in.mu.Lock()
		if in.err != nil {
			defer in.mu.Unlock()
			return in.fail(op, in.err, "")
		}
		if ctx.Err() != nil {
			in.mu.Unlock()
			return (&Queue{handle: handle.Handle{Name: in.address}}).ended(op, ctx, nil)
		}
		if do() {
			in.mu.Unlock()
			return nil
		}
		again := b.await().Done()
		in.mu.Unlock()
		if !waits && op == "send" {
			return in.fail(op, mq.ErrFull, "")
		}
		if !waits {
			return in.fail(op, mq.ErrEmpty, "")
		}
		select {
		case <-again:
		case <-in.life.Done():
		case <-ctx.Done():
		}
	}
}
