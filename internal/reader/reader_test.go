package reader_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"ipcmq/internal/reader"
	"ipcmq/mq"
)

// A script is a receiver that notes which calls it gets. Its messages come one
// by one; before each of those named, the queue is found empty.
type script struct {
	messages []string // to give
	waitFor  []string // those that only Receive gives
	end      error    // after the last; nil: wait for ever

	mu    sync.Mutex
	calls []string
	next  int
}

// each returns a Deliver function that wants one message at a time.
func each(deliver func(mq.Message)) reader.Deliver {
	return func(taken []mq.Message) int {
		for _, m := range taken {
			deliver(m)
		}
		return 1
	}
}

func (s *script) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, fmt.Sprintf(format, args...))
}

func (s *script) noted() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

func (s *script) take(try bool) (mq.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == len(s.messages) {
		if s.end == nil || try {
			return mq.Message{}, &mq.Error{Op: "receive", Kind: mq.ErrEmpty}
		}
		return mq.Message{}, s.end
	}
	text := s.messages[s.next]
	if try && slices.Contains(s.waitFor, text) {
		return mq.Message{}, &mq.Error{Op: "receive", Kind: mq.ErrEmpty}
	}
	s.next++
	return mq.Message{Type: 1, Data: []byte(text)}, nil
}

func (s *script) TryReceive() (mq.Message, error) {
	s.note("try")
	return s.take(true)
}

func (s *script) Receive(ctx context.Context) (mq.Message, error) {
	s.note("wait")
	m, err := s.take(false)
	if errors.Is(err, mq.ErrEmpty) {
		<-ctx.Done()
		return mq.Message{}, &mq.Error{Op: "receive", Kind: ctx.Err()}
	}
	return m, err
}

func (s *script) TryReceiveInto(m *mq.Message) (err error) {
	s.note("try")
	got, err := s.take(true)
	if err == nil {
		*m = got
	}
	return err
}

func (s *script) ReceiveInto(ctx context.Context, m *mq.Message) error {
	got, err := s.Receive(ctx)
	if err == nil {
		*m = got
	}
	return err
}

func TestTriesFirstAndWaitsOnlyWhenEmpty(t *testing.T) {
	gone := errors.New("gone")
	s := &script{messages: []string{"1", "2", "3", "4"}, waitFor: []string{"3"}, end: gone}
	var ended []error
	r := reader.Start(s, 0, each(func(m mq.Message) { s.note("%s", m.Data) }), func(err error) { ended = append(ended, err) })
	<-r.Done()
	want := []string{"try", "1", "try", "2", "try", "wait", "3", "try", "4", "try", "wait"}
	if got := s.noted(); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if len(ended) != 1 || !errors.Is(ended[0], gone) {
		t.Errorf("ended with %v", ended)
	}
	r.Stop()
}

// TestTheConsumerRunsBeforeTheReaderWaits has one processor, so that the
// consumer runs when the reader yields, or when it waits. The scheduler prefers
// the consumer nearly always.
func TestTheConsumerRunsBeforeTheReaderWaits(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const rounds = 200
	first := 0
	for range rounds {
		s := &script{messages: []string{"1"}, end: errors.New("end")}
		ch := make(chan mq.Message, 1)
		waits, consumed := make(chan struct{}), make(chan struct{})
		go func() {
			close(waits)
			<-ch
			s.note("consumed")
			close(consumed)
		}()
		<-waits
		runtime.Gosched()
		r := reader.Start(s, 0, each(func(m mq.Message) { ch <- m }), func(error) {})
		<-r.Done()
		<-consumed
		if slices.Equal(s.noted(), []string{"try", "try", "consumed", "wait"}) {
			first++
		}
	}
	if first < rounds/2 {
		t.Errorf("the consumer ran first in %d of %d rounds", first, rounds)
	}
}

func TestStopBeforeTheFirstMessageTakesNothing(t *testing.T) {
	s := &script{}
	ended := make(chan error, 2)
	r := reader.Start(s, 0, each(func(m mq.Message) { t.Errorf("delivered %q", m.Data) }), func(err error) { ended <- err })
	r.Stop()
	r.Stop()
	<-r.Done()
	if err := <-ended; err != nil || len(ended) != 0 {
		t.Errorf("ended with %v, and %d times more", err, len(ended))
	}
}

func TestStopDeliversWhatIsTakenAndTakesNoMore(t *testing.T) {
	s := &script{messages: []string{"1", "2", "3"}}
	var got []string
	var r *reader.Reader
	started := make(chan struct{})
	r = reader.Start(s, 0, each(func(m mq.Message) {
		<-started
		got = append(got, string(m.Data))
		if len(got) == 2 {
			r.Stop() // from within: it does not wait
		}
	}), func(err error) {
		if err != nil {
			t.Errorf("ended with %v", err)
		}
	})
	close(started)
	<-r.Done()
	if !slices.Equal(got, []string{"1", "2"}) || s.next != 2 {
		t.Errorf("delivered %v, took %d", got, s.next)
	}
}

func TestDoneComesAfterEnded(t *testing.T) {
	s := &script{end: mq.ErrRemoved}
	inside, goOn := make(chan struct{}), make(chan struct{})
	r := reader.Start(s, 0, nil, func(error) {
		close(inside)
		<-goOn
	})
	<-inside
	select {
	case <-r.Done():
		t.Error("done while ended runs")
	default:
	}
	close(goOn)
	<-r.Done()
}

func TestErrorsOfTryEndTheLoop(t *testing.T) {
	q := failing{errors.New("broken")}
	ended := make(chan error, 1)
	<-reader.Start(q, 0, nil, func(err error) { ended <- err }).Done()
	if err := <-ended; !errors.Is(err, q.err) {
		t.Errorf("ended with %v", err)
	}
	// An error that is a cancelation, but not the reader's own, ends it too.
	<-reader.Start(failing{context.Canceled}, 0, nil, func(err error) { ended <- err }).Done()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

type failing struct{ err error }

func (f failing) TryReceive() (mq.Message, error)                { return mq.Message{}, f.err }
func (f failing) Receive(context.Context) (mq.Message, error)    { return mq.Message{}, f.err }
func (f failing) TryReceiveInto(*mq.Message) error               { return f.err }
func (f failing) ReceiveInto(context.Context, *mq.Message) error { return f.err }

func TestSpinPollsBeforeItWaits(t *testing.T) {
	s := &script{messages: []string{"1"}, waitFor: []string{"1"}, end: mq.ErrRemoved}
	<-reader.Start(s, time.Millisecond, each(func(mq.Message) {}), func(error) {}).Done()
	calls := s.noted()
	if wait := slices.Index(calls, "wait"); wait < 10 { // without Spin it tries once
		t.Errorf("the first wait is call %d of %d", wait, len(calls))
	}
}
