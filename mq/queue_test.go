package mq_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/mq"
)

// script is a receiver that answers as its fields say and counts its calls.
type script struct {
	messages      []mq.Message // what Receive gives, then end
	end           error
	empty         int // how many Try calls find nothing, before the first message
	tries, waits  int
	afterEveryTry func()
}

func (s *script) next(m *mq.Message) error {
	if len(s.messages) == 0 {
		return s.end
	}
	*m, s.messages = s.messages[0], s.messages[1:]
	return nil
}

func (s *script) Receive(ctx context.Context) (mq.Message, error) {
	var m mq.Message
	err := s.ReceiveInto(ctx, &m)
	return m, err
}

func (s *script) ReceiveInto(ctx context.Context, m *mq.Message) error {
	s.waits++
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.next(m)
}

func (s *script) TryReceive() (mq.Message, error) {
	var m mq.Message
	err := s.TryReceiveInto(&m)
	return m, err
}

func (s *script) TryReceiveInto(m *mq.Message) error {
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

func TestAllEndsWithTheFirstError(t *testing.T) {
	end := errors.New("the end")
	r := &script{messages: three(), end: end}
	var types []int64
	var last error
	for m, err := range mq.All(t.Context(), r) {
		if last != nil {
			t.Fatal("a pair after the error")
		}
		types, last = append(types, m.Type), err
	}
	if len(types) != 4 || types[0] != 1 || types[1] != 2 || types[2] != 3 || types[3] != 0 || last != end {
		t.Errorf("got types %v and then %v", types, last)
	}
	if r.waits != 4 {
		t.Errorf("%d calls of Receive", r.waits)
	}
}

func TestLeavingAllTakesNothingMore(t *testing.T) {
	r := &script{messages: three()}
	for m, err := range mq.All(t.Context(), r) {
		if err != nil {
			t.Fatal(err)
		}
		if m.Type == 2 {
			break
		}
	}
	if len(r.messages) != 1 || r.waits != 2 {
		t.Errorf("%d messages left after %d calls", len(r.messages), r.waits)
	}
}

func TestAllPassesItsContextOn(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	pairs := 0
	for _, err := range mq.All(ctx, &script{messages: three()}) {
		pairs++
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	if pairs != 1 {
		t.Errorf("%d pairs", pairs)
	}
}

func TestSpinOfNothingIsTheReceiverItself(t *testing.T) {
	r := &script{}
	for _, d := range []time.Duration{0, -1} {
		if mq.Spin(r, d) != mq.Receiver(r) {
			t.Errorf("Spin(r, %v) is another receiver", d)
		}
	}
}

func TestSpinTakesWhatComesWhileItPolls(t *testing.T) {
	for _, empty := range []int{0, 1, 15, 16, 17, 1000} {
		r := &script{messages: three(), empty: empty}
		m, err := mq.Spin(r, time.Hour).Receive(t.Context())
		if err != nil || m.Type != 1 {
			t.Fatalf("got %+v, %v", m, err)
		}
		if r.tries != empty+1 || r.waits != 0 {
			t.Errorf("%d polls and %d waits for a message that comes after %d polls", r.tries, r.waits, empty)
		}
	}
}

func TestSpinWaitsWhenItsTimeIsOver(t *testing.T) {
	r := &script{messages: three(), empty: 1 << 30}
	m, err := mq.Spin(r, time.Nanosecond).Receive(t.Context())
	if err != nil || m.Type != 1 || r.waits != 1 || r.tries == 0 {
		t.Errorf("got %+v, %v after %d polls and %d waits", m, err, r.tries, r.waits)
	}
}

func TestSpinEndsWithItsContext(t *testing.T) {
	t.Run("canceled before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r := &script{messages: three()}
		_, err := mq.Spin(r, time.Hour).Receive(ctx)
		if !errors.Is(err, context.Canceled) || r.tries != 0 || len(r.messages) != 3 {
			t.Errorf("got %v after %d polls", err, r.tries)
		}
	})
	t.Run("canceled while it polls", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := &script{messages: three(), empty: 1 << 30}
		r.afterEveryTry = func() {
			if r.tries == 100 {
				cancel()
			}
		}
		_, err := mq.Spin(r, time.Hour).Receive(ctx)
		if !errors.Is(err, context.Canceled) || len(r.messages) != 3 {
			t.Errorf("got %v with %d messages left", err, len(r.messages))
		}
		if r.tries > 120 {
			t.Errorf("%d polls after a cancel at the 100th", r.tries)
		}
	})
}

func TestSpinStopsAtAnErrorOfThePoll(t *testing.T) {
	end := &mq.Error{Op: "receive", Kind: mq.ErrRemoved}
	r := &script{end: end, empty: 5}
	m := mq.Message{Type: 9, Data: []byte("kept")}
	if err := mq.Spin(r, time.Hour).ReceiveInto(t.Context(), &m); err != end {
		t.Errorf("got %v", err)
	}
	if r.waits != 0 || m.Type != 9 || string(m.Data) != "kept" {
		t.Errorf("%d waits, message %+v", r.waits, m)
	}
	if got, err := mq.Spin(r, time.Hour).Receive(t.Context()); err != end || got.Type != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestSpinLeavesTryAlone(t *testing.T) {
	r := &script{messages: three(), empty: 1}
	s := mq.Spin(r, time.Hour)
	if _, err := s.TryReceive(); !errors.Is(err, mq.ErrEmpty) || r.tries != 1 {
		t.Errorf("got %v after %d polls", err, r.tries)
	}
	var m mq.Message
	if err := s.TryReceiveInto(&m); err != nil || m.Type != 1 {
		t.Errorf("got %+v, %v", m, err)
	}
}

func TestSpinPollsRarelyWhereThatIsInVain(t *testing.T) {
	r := &script{empty: 1 << 30}
	s := mq.Spin(r, time.Nanosecond) // one try each time it polls
	var polled []int
	for wait := 1; wait <= 24; wait++ {
		r.messages = three()[:1] // for the wait
		before := r.tries
		if _, err := s.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r.tries > before {
			polled = append(polled, wait)
		}
	}
	if want := []int{1, 2, 3, 4, 8, 16, 24}; !slices.Equal(polled, want) {
		t.Errorf("polled before the waits %v, want %v", polled, want)
	}
	r.messages, r.empty, r.tries = three(), 0, 0
	for range 8 { // until a poll finds something
		if _, err := s.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r.tries > 0 {
			break
		}
		r.messages = three()
	}
	r.messages, r.empty, r.tries = three(), 1<<30, 0
	if _, err := s.Receive(t.Context()); err != nil || r.tries == 0 {
		t.Errorf("%d polls after one that was not in vain, %v", r.tries, err)
	}
}

func TestSpinEndsWhereTimeStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &script{messages: three(), empty: 1 << 30}
		if _, err := mq.Spin(r, mq.DefaultSpin).Receive(t.Context()); err != nil || r.waits != 1 {
			t.Errorf("%d waits, %v", r.waits, err)
		}
	})
}
