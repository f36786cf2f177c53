package mq_test

import (
	"context"
	"errors"
	"testing"

	"ipcmq/mq"
)

// script is a receiver that returns what its fields say and counts its calls.
type script struct {
	messages      []mq.Message // what Receive returns, then end
	end           error
	empty         int // how many Try calls find nothing before the first message
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
