package cli

import (
	"context"
	"errors"
	"io/fs"

	"ipcmq/internal/address"
	"ipcmq/mq"
	"ipcmq/mq/jetstream"
	"ipcmq/mq/sysv"
)

// A lender is a queue that can lend its messages.
type lender interface {
	mq.Exchange
	mq.Leaser
}

// openLender opens the queue with address arg, which must be able to lend its messages.
func (s *natsServers) openLender(ctx context.Context, arg string, access mq.Access, create bool) (lender, error) {
	a, err := s.parseOne(arg)
	if err != nil {
		return nil, err
	}
	if a.Kind != address.JetStream {
		q, err := openLending(a, access, create)
		if err != nil {
			return nil, err
		}
		return q, nil
	}
	q, err := s.open(ctx, a, jetstream.Config{Access: access, OpenOnly: !create})
	if err != nil {
		return nil, err
	}
	if q.Mode() != jetstream.LeaseMode {
		q.Close()
		return nil, usagef("%v: in claim mode a queue on JetStream cannot lend its messages; one created with --mode lease can", a)
	}
	return q, nil
}

// openLending opens a kernel queue, which must be able to lend its messages.
func openLending(a address.Address, access mq.Access, create bool) (*sysv.Queue, error) {
	refused := usagef("%v: only System V queues with a key, and queues on JetStream, can lend their messages", a)
	if a.Kind == address.Name {
		return nil, refused
	}
	q, err := open(a, access, create)
	if err != nil {
		return nil, err
	}
	s := q.(*sysv.Queue)
	if stat, err := s.Stat(); err == nil && stat.Key == sysv.Private {
		s.Close()
		return nil, refused
	}
	return s, nil
}

// isSame reports whether x and y are the same queue.
func isSame(x, y mq.Exchange) bool {
	switch x := x.(type) {
	case *sysv.Queue:
		y, ok := y.(*sysv.Queue)
		return ok && x.ID() == y.ID()
	case *remoteQueue:
		y, ok := y.(*remoteQueue)
		return ok && x.address == y.address
	}
	return false
}

// messagesOf returns how many messages a queue has, including lent ones.
func messagesOf(ctx context.Context, q lender) (int, error) {
	switch q := q.(type) {
	case *remoteQueue:
		stat, err := q.Stat(ctx)
		return int(stat.Messages), err
	case *sysv.Queue:
		stat, err := q.Stat()
		if err != nil {
			return 0, err
		}
		lent, err := q.Pool()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
		return int(stat.Messages) + lent.Held + lent.Returned, nil
	}
	return 0, errors.ErrUnsupported
}
