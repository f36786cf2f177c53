package mq

import (
	"context"
	"errors"
	"runtime"
	"time"
)

// Spin returns a receiver that polls r for up to d before it waits as r does.
// A d of 0 or less returns r itself.
//
// A message that arrives while the receiver polls is taken within a microsecond
// or so, without the 10 to 50 microseconds that waking a sleeping thread takes.
// The price is a busy processor, so use it only where processors are idle
// anyway, with d not much longer than the pause between two messages.
func Spin(r Receiver, d time.Duration) Receiver {
	if d <= 0 {
		return r
	}
	return &spinner{r, d}
}

type spinner struct {
	Receiver // TryReceive and TryReceiveInto as they are
	d        time.Duration
}

func (s *spinner) Receive(ctx context.Context) (Message, error) {
	var m Message
	err := s.poll(ctx, func() (err error) {
		m, err = s.Receiver.TryReceive()
		return err
	})
	if errors.Is(err, ErrEmpty) {
		return s.Receiver.Receive(ctx)
	}
	return m, err
}

func (s *spinner) ReceiveInto(ctx context.Context, m *Message) error {
	err := s.poll(ctx, func() error { return s.Receiver.TryReceiveInto(m) })
	if errors.Is(err, ErrEmpty) {
		return s.Receiver.ReceiveInto(ctx, m)
	}
	return err
}

// poll calls try until it finds a message or fails. It returns ErrEmpty when
// that has taken long enough or ctx has ended.
func (s *spinner) poll(ctx context.Context, try func() error) error {
	if ctx.Err() != nil {
		return ErrEmpty
	}
	start := time.Now()
	for i := 1; ; i++ {
		if err := try(); !errors.Is(err, ErrEmpty) {
			return err
		}
		if i%16 == 0 {
			if time.Since(start) > s.d || ctx.Err() != nil {
				return ErrEmpty
			}
			runtime.Gosched()
		}
	}
}
