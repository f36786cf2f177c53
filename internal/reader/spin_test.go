package reader_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/internal/poll"
	"ipcmq/internal/reader"
	"ipcmq/mq"
)

// source is a receiver that returns what its fields say and counts its calls.
type source struct {
	messages      []mq.Message // what Receive gives, then end
	end           error
	empty         int // how many Try calls find nothing, before the first message
	tries, waits  int
	afterEveryTry func()
}

func (s *source) next(m *mq.Message) error {
	if len(s.messages) == 0 {
		return s.end
	}
	*m, s.messages = s.messages[0], s.messages[1:]
	return nil
}

func (s *source) Receive(ctx context.Context) (mq.Message, error) {
	var m mq.Message
	err := s.ReceiveInto(ctx, &m)
	return m, err
}

func (s *source) ReceiveInto(ctx context.Context, m *mq.Message) error {
	s.waits++
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.next(m)
}

func (s *source) TryReceive() (mq.Message, error) {
	var m mq.Message
	err := s.TryReceiveInto(&m)
	return m, err
}

func (s *source) TryReceiveInto(m *mq.Message) error {
	s.tries++
	if s.afterEveryTry != nil {
		s.afterEveryTry()
	}
	if s.tries <= s.empty {
		return &mq.Error{Op: "receive", Kind: mq.ErrEmpty}
	}
	return s.next(m)
}

func three() []mq.Message { return []mq.Message{{Type: 1}, {Type: 2}, {Type: 3}} }

func TestPollingOfNothingIsTheReceiverItself(t *testing.T) {
	r := &source{}
	for _, d := range []time.Duration{0, -1} {
		if reader.Polling(r, d) != mq.Receiver(r) {
			t.Errorf("Spin(r, %v) is another receiver", d)
		}
	}
}

func TestPollingTakesWhatComesWhileItPolls(t *testing.T) {
	for _, empty := range []int{0, 1, 15, 16, 17, 1000} {
		r := &source{messages: three(), empty: empty}
		m, err := reader.Polling(r, time.Hour).Receive(t.Context())
		if err != nil || m.Type != 1 {
			t.Fatalf("got %+v, %v", m, err)
		}
		if r.tries != empty+1 || r.waits != 0 {
			t.Errorf("%d polls and %d waits for a message that comes after %d polls", r.tries, r.waits, empty)
		}
	}
}

func TestPollingWaitsWhenItsTimeIsOver(t *testing.T) {
	r := &source{messages: three(), empty: 1 << 30}
	m, err := reader.Polling(r, time.Nanosecond).Receive(t.Context())
	if err != nil || m.Type != 1 || r.waits != 1 || r.tries == 0 {
		t.Errorf("got %+v, %v after %d polls and %d waits", m, err, r.tries, r.waits)
	}
}

func TestPollingEndsWithItsContext(t *testing.T) {
	t.Run("canceled before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r := &source{messages: three()}
		_, err := reader.Polling(r, time.Hour).Receive(ctx)
		if !errors.Is(err, context.Canceled) || r.tries != 0 || len(r.messages) != 3 {
			t.Errorf("got %v after %d polls", err, r.tries)
		}
	})
	t.Run("canceled while it polls", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := &source{messages: three(), empty: 1 << 30}
		r.afterEveryTry = func() {
			if r.tries == 100 {
				cancel()
			}
		}
		_, err := reader.Polling(r, time.Hour).Receive(ctx)
		if !errors.Is(err, context.Canceled) || len(r.messages) != 3 {
			t.Errorf("got %v with %d messages left", err, len(r.messages))
		}
		if r.tries > 120 {
			t.Errorf("%d polls after a cancel at the 100th", r.tries)
		}
	})
}

func TestPollingStopsAtAnErrorOfThePoll(t *testing.T) {
	end := &mq.Error{Op: "receive", Kind: mq.ErrRemoved}
	r := &source{end: end, empty: 5}
	m := mq.Message{Type: 9, Data: []byte("kept")}
	if err := reader.Polling(r, time.Hour).ReceiveInto(t.Context(), &m); err != end {
		t.Errorf("got %v", err)
	}
	if r.waits != 0 || m.Type != 9 || string(m.Data) != "kept" {
		t.Errorf("%d waits, message %+v", r.waits, m)
	}
	if got, err := reader.Polling(r, time.Hour).Receive(t.Context()); err != end || got.Type != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestPollingLeavesTryAlone(t *testing.T) {
	r := &source{messages: three(), empty: 1}
	s := reader.Polling(r, time.Hour)
	if _, err := s.TryReceive(); !errors.Is(err, mq.ErrEmpty) || r.tries != 1 {
		t.Errorf("got %v after %d polls", err, r.tries)
	}
	var m mq.Message
	if err := s.TryReceiveInto(&m); err != nil || m.Type != 1 {
		t.Errorf("got %+v, %v", m, err)
	}
}

func TestPollingEndsWhereTimeStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &source{messages: three(), empty: 1 << 30}
		if _, err := reader.Polling(r, poll.For).Receive(t.Context()); err != nil || r.waits != 1 {
			t.Errorf("%d waits, %v", r.waits, err)
		}
	})
}
