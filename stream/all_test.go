package stream_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
)

// readAll ranges over a stream until it has n messages, and returns their payloads
// and the error that came with the last turn.
func readAll(seq func(func(mq.Message, error) bool), n int) (got []string, last error) {
	for m, err := range seq {
		if err != nil {
			last = err
			continue // the loop must end without a break
		}
		if got = append(got, string(m.Data)); len(got) == n {
			break
		}
	}
	return got, last
}

func TestAll(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			q := b.open(t)
			send(t, q, 1, 0, 4)
			s := newStream(t, q, nil)
			if got, err := readAll(s.All(t.Context()), 3); err != nil || !slices.Equal(got, numbers(0, 3)) {
				t.Errorf("got %q, %v", got, err)
			}
			if got, err := readAll(s.All(t.Context()), 1); err != nil || !slices.Equal(got, numbers(3, 4)) {
				t.Errorf("after leaving the loop early: %q, %v", got, err)
			}
		})
	}
}

func TestAllEnds(t *testing.T) {
	why := errors.New("enough")
	for _, c := range []struct {
		name string
		end  func(q *mqtest.Queue, stop func(), cancel context.CancelCauseFunc)
		want []error
	}{
		{"with Close, without an error", func(_ *mqtest.Queue, stop func(), _ context.CancelCauseFunc) { stop() }, nil},
		{"with its context", func(_ *mqtest.Queue, _ func(), cancel context.CancelCauseFunc) { cancel(why) }, []error{context.Canceled, why}},
		{"with the queue", func(q *mqtest.Queue, _ func(), _ context.CancelCauseFunc) { q.Remove() }, []error{mq.ErrRemoved}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := mqtest.New(nil)
				defer q.Close()
				send(t, q, 1, 0, 2)
				s := newStream(t, q, nil)
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				var got []string
				var err error
				over := make(chan struct{})
				go func() {
					defer close(over)
					got, err = readAll(s.All(ctx), 100)
				}()
				synctest.Wait()
				c.end(q, func() { s.Close() }, cancel)
				<-over
				if !slices.Equal(got, numbers(0, 2)) || (err == nil) != (c.want == nil) {
					t.Errorf("got %q, %v", got, err)
				}
				for _, want := range c.want {
					if !errors.Is(err, want) {
						t.Errorf("got %v, want %v", err, want)
					}
				}
			})
		})
	}
}

func TestAllOfAnEndedContextTakesNothing(t *testing.T) {
	q := mqtest.New(nil)
	defer q.Close()
	s := newStream(t, q, nil)
	send(t, q, 1, 0, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := readAll(s.All(ctx), 1); got != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := readAll(s.All(t.Context()), 1); err != nil || !slices.Equal(got, numbers(0, 1)) {
		t.Errorf("got %q, %v", got, err)
	}
}
