package large

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"ipcmq/internal/handle"
	"ipcmq/internal/sleep"
	"ipcmq/internal/store"
	"ipcmq/internal/sys"
	"ipcmq/mq"
)

// A sender sends to a queue, or to an inbox.
type sender struct {
	to     mq.Sender
	keeper keeper
	home   int // id of the queue
	inline int // the largest payload that is sent in the queue itself, if it fits
	types  int64
	inbox  bool
	cfg    Config
	name   string
	stores *stores
}

// Send adds m to the queue, waiting for room in the queue and, for a payload that
// does not fit into it, in shared memory. See [mq.Sender].
func (s *sender) Send(ctx context.Context, m mq.Message) error { return s.send(ctx, m, true) }

// TrySend is Send without waiting: if there is no room in the queue or in shared
// memory now, the error matches [mq.ErrFull].
func (s *sender) TrySend(m mq.Message) error { return s.send(context.Background(), m, false) }

func (s *sender) send(ctx context.Context, m mq.Message, wait bool) error {
	put := func(m mq.Message) error {
		if wait {
			return s.to.Send(ctx, m)
		}
		return s.to.TrySend(m)
	}
	if len(m.Data) <= min(s.inline, s.cfg.MaxPayload) && !store.IsTicket(m.Data) {
		if err := put(m); !errors.Is(err, mq.ErrTooLarge) {
			return err
		}
	}
	if err := s.sendable(ctx, &m); err != nil {
		return err
	}
	st, err := s.stores.of(s)
	if err != nil {
		return err
	}
	b, errno := st.Put(ctx, m.Data, s.home, wait)
	if errno != 0 {
		return s.failed(ctx, errno, len(m.Data), wait)
	}
	m.Data = b.Ticket().Bytes()
	if err := put(m); err != nil {
		b.Drop()
		return err
	}
	b.Sent()
	return nil
}

// sendable returns the errors that are known without trying.
func (s *sender) sendable(ctx context.Context, m *mq.Message) error {
	switch {
	case s.stores.isClosed():
		return s.fail("send", mq.ErrClosed, nil, "")
	case ctx.Err() != nil:
		return handle.Ended("send", s.name, ctx)
	case m.Type < 1 || m.Type > s.types:
		return s.fail("send", mq.ErrInvalidType, nil, fmt.Sprintf("message type %d is not in 1 to %d", m.Type, s.types))
	case len(m.Data) > s.cfg.MaxPayload:
		return s.fail("send", mq.ErrTooLarge, nil, fmt.Sprintf("message of %d bytes exceeds MaxPayload = %d", len(m.Data), s.cfg.MaxPayload))
	}
	return nil
}

// failed returns the error for a payload that found no room.
func (s *sender) failed(ctx context.Context, errno sys.Errno, n int, wait bool) error {
	switch {
	case errno == sys.EIDRM:
		return s.fail("send", mq.ErrRemoved, errno, "")
	case s.stores.isClosed():
		return s.fail("send", mq.ErrClosed, nil, "")
	case ctx.Err() != nil:
		return handle.Waited(handle.Ended("send", s.name, ctx),
			fmt.Sprintf("there is no room for %d bytes: payloads not received yet take up Memory = %d", n, s.cfg.Memory))
	case errno == sys.EAGAIN && !wait:
		return s.fail("send", mq.ErrFull, errno, fmt.Sprintf("there is no room for %d bytes: payloads not received yet take up Memory = %d", n, s.cfg.Memory))
	case errno == sleep.NoThread:
		return s.fail("send", mq.ErrTooManyThreads, errno, sleep.Advice())
	}
	return s.fail("send", nil, errno, "")
}

func (s *sender) fail(op string, kind, err error, detail string) *mq.Error {
	return &mq.Error{Op: op, Queue: s.name, Kind: kind, Err: err, Detail: detail}
}

// stores are those that a handle has created: one for its queue, and one for the
// inboxes of each group of readers, so that replies have room when requests have
// used theirs.
type stores struct {
	mu     sync.Mutex
	made   map[destination]*store.Store
	closed bool
}

// A destination is a set of readers; the payloads for them share a store.
type destination struct {
	inbox   bool
	readers store.Readers
}

// of returns the store for payloads that s sends.
func (all *stores) of(s *sender) (*store.Store, error) {
	home, err := s.keeper.PayloadStore()
	if err != nil {
		var e *mq.Error
		if errors.As(err, &e) {
			e.Op = "send"
		}
		return nil, err
	}
	d := destination{s.inbox, home.Readers()}
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.closed {
		return nil, s.fail("send", mq.ErrClosed, nil, "")
	}
	if st := all.made[d]; st != nil {
		return st, nil
	}
	st, failed := store.Make(d.readers, s.cfg.Memory)
	if failed != nil {
		failed.Op, failed.Queue = "send", s.name
		return nil, failed
	}
	if all.made == nil {
		all.made = map[destination]*store.Store{}
	}
	all.made[d] = st
	return st, nil
}

func (all *stores) isClosed() bool {
	all.mu.Lock()
	defer all.mu.Unlock()
	return all.closed
}

func (all *stores) each(do func(*store.Store)) {
	all.mu.Lock()
	var made []*store.Store
	for _, st := range all.made {
		made = append(made, st)
	}
	all.mu.Unlock()
	for _, st := range made {
		do(st)
	}
}

// stop ends calls that wait for room.
func (all *stores) stop() {
	all.mu.Lock()
	all.closed = true
	all.mu.Unlock()
	all.each((*store.Store).Stop)
}

// wake makes waiting calls check whether their queue still exists.
func (all *stores) wake() { all.each((*store.Store).Look) }

func (all *stores) leave() { all.each((*store.Store).Leave) }
