package reader

import (
	"context"
	"errors"
	"runtime"
	"time"

	"ipcmq/internal/poll"
	"ipcmq/mq"
)

// Spin returns how long to poll q before each wait, given a user's spin: 0 for
// the default, negative for not at all. Queues on another host are never polled,
// and by default none are if a sender could not run meanwhile.
func Spin(q mq.Queue, spin time.Duration) time.Duration {
	switch {
	case spin < 0 || isRemote(q) || spin == 0 && runtime.NumCPU() == 1:
		return 0
	case spin == 0:
		return poll.For
	}
	return spin
}

// Polling returns a receiver that polls r for up to d before it waits like r, as
// long as that pays, see [poll.Poller]. If d is 0 or less it returns r itself.
func Polling(r mq.Receiver, d time.Duration) mq.Receiver {
	if d <= 0 {
		return r
	}
	return &spinner{Receiver: r, poller: poll.New(d)}
}

type spinner struct {
	mq.Receiver // TryReceive and TryReceiveInto are unchanged
	poller      *poll.Poller
}

func (s *spinner) Receive(ctx context.Context) (mq.Message, error) {
	round, ok := s.poller.Begin(ctx)
	for ok {
		m, err := s.Receiver.TryReceive()
		if !isEmpty(err) {
			round.Found()
			return m, err
		}
		ok = round.Again(ctx)
	}
	return s.Receiver.Receive(ctx)
}

func (s *spinner) ReceiveInto(ctx context.Context, m *mq.Message) error {
	round, ok := s.poller.Begin(ctx)
	for ok {
		err := s.Receiver.TryReceiveInto(m)
		if !isEmpty(err) {
			round.Found()
			return err
		}
		ok = round.Again(ctx)
	}
	return s.Receiver.ReceiveInto(ctx, m)
}

// isEmpty reports whether err matches mq.ErrEmpty. It is called after each look,
// so it is quick for the errors that queues return.
func isEmpty(err error) bool {
	if e, ok := err.(*mq.Error); ok && e.Kind == mq.ErrEmpty {
		return true
	}
	return errors.Is(err, mq.ErrEmpty)
}
