package reader_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ipcmq/internal/reader"
	"ipcmq/mq"
)

// A script is a receiver that records its calls. Its messages come one by one;
// before each of those in waitFor, the queue is found empty.
type script struct {
	messages []string // to give
	waitFor  []string // those that only Receive returns
	end      error    // after the last; nil: wait forever

	mu    sync.Mutex
	calls []string
	next  int
}

// one is the room for one message at a time.
func one() int { return 1 }

// each returns a consumer of one message at a time.
func each(deliver func(mq.Message), ended func(error)) reader.Consumer {
	return reader.Consumer{Room: one, Ended: ended, Deliver: func(taken []mq.Message) {
		for _, m := range taken {
			deliver(m)
		}
	}}
}

// A host is a queue of which only the place matters.
type host struct {
	mq.Queue
	remote bool
}

func (h host) Capabilities() mq.Capabilities { return mq.Capabilities{Remote: h.remote} }

var here, elsewhere = host{}, host{remote: true}

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
	r := reader.Start(here, s, 0, each(func(m mq.Message) { s.note("%s", m.Data) }, func(err error) { ended = append(ended, err) }))
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
		r := reader.Start(here, s, 0, each(func(m mq.Message) { ch <- m }, func(error) {}))
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
	r := reader.Start(here, s, 0, each(func(m mq.Message) { t.Errorf("delivered %q", m.Data) }, func(err error) { ended <- err }))
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
	r = reader.Start(here, s, 0, each(func(m mq.Message) {
		<-started
		got = append(got, string(m.Data))
		if len(got) == 2 {
			r.Stop() // from within: it does not wait
		}
	}, func(err error) {
		if err != nil {
			t.Errorf("ended with %v", err)
		}
	}))
	close(started)
	<-r.Done()
	if !slices.Equal(got, []string{"1", "2"}) || s.next != 2 {
		t.Errorf("delivered %v, took %d", got, s.next)
	}
}

func TestDoneComesAfterEnded(t *testing.T) {
	s := &script{end: mq.ErrRemoved}
	inside, goOn := make(chan struct{}), make(chan struct{})
	r := reader.Start(here, s, 0, each(nil, func(error) {
		close(inside)
		<-goOn
	}))
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
	<-reader.Start(here, q, 0, each(nil, func(err error) { ended <- err })).Done()
	if err := <-ended; !errors.Is(err, q.err) {
		t.Errorf("ended with %v", err)
	}
	// An error that is a cancelation, but not the reader's own, ends it too.
	<-reader.Start(here, failing{context.Canceled}, 0, each(nil, func(err error) { ended <- err })).Done()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

type failing struct{ err error }

func (f failing) TryReceive() (mq.Message, error)                { return mq.Message{}, f.err }
func (f failing) Receive(context.Context) (mq.Message, error)    { return mq.Message{}, f.err }
func (f failing) TryReceiveInto(*mq.Message) error               { return f.err }
func (f failing) ReceiveInto(context.Context, *mq.Message) error { return f.err }

// A late receiver has its only message at the tenth try.
type late struct {
	script
	tries int
}

func (l *late) TryReceive() (mq.Message, error) {
	if l.tries++; l.tries < 10 {
		return mq.Message{}, &mq.Error{Op: "receive", Kind: mq.ErrEmpty}
	}
	return l.script.TryReceive()
}

func TestSpinPollsBeforeItWaits(t *testing.T) {
	l := &late{script: script{messages: []string{"1"}}}
	r := reader.Start(here, l, time.Minute, each(func(mq.Message) {
		if slices.Contains(l.noted(), "wait") {
			t.Error("it has waited")
		}
	}, func(error) {}))
	r.Stop()
	<-r.Done()
}

// collect returns the messages of a run as they were delivered together.
func collect(s *script, room func() int) (deliveries []string) {
	<-reader.Start(here, s, 0, reader.Consumer{Room: room, Ended: func(error) {}, Deliver: func(taken []mq.Message) {
		var texts []string
		for _, m := range taken {
			texts = append(texts, string(m.Data))
		}
		deliveries = append(deliveries, strings.Join(texts, " "))
	}}).Done()
	return deliveries
}

func numbers(n int) (texts []string) {
	for i := range n {
		texts = append(texts, strconv.Itoa(i))
	}
	return texts
}

func TestGathersMoreAndMoreWhileItNeedNotWait(t *testing.T) {
	s := &script{messages: numbers(20), waitFor: []string{"12"}, end: mq.ErrRemoved}
	got := collect(s, func() int { return 6 })
	want := []string{"0", "1 2", "3 4 5 6", "7 8 9 10 11", "12", "13 14 15 16", "17 18 19"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestGathersNoMoreThanThereIsRoom(t *testing.T) {
	for _, room := range []int{-1, 0, 1, 3} {
		s := &script{messages: numbers(100), end: mq.ErrRemoved}
		most := 0
		for _, texts := range collect(s, func() int { return room }) {
			most = max(most, len(strings.Fields(texts)))
		}
		if most != max(1, room) {
			t.Errorf("room for %d: up to %d together", room, most)
		}
	}
}

func TestDeliversImmediatelyToAConsumerThatIsBehind(t *testing.T) {
	s := &script{messages: numbers(40), end: mq.ErrRemoved}
	asked := 0
	for _, texts := range collect(s, func() int {
		if asked++; asked > 3 {
			return 1
		}
		return 100
	}) {
		if n := len(strings.Fields(texts)); n > 4 {
			t.Errorf("%d together: %s", n, texts)
		}
	}
}

func TestGathersNoMoreThan64KiB(t *testing.T) {
	large := strings.Repeat("x", 20<<10)
	s := &script{messages: slices.Repeat([]string{large}, 50), end: mq.ErrRemoved}
	most := 0
	for _, texts := range collect(s, func() int { return 1000 }) {
		most = max(most, len(strings.Fields(texts)))
	}
	if most != 4 {
		t.Errorf("%d messages of 20 KiB together", most)
	}
}

func TestStopDeliversWhatIsGathered(t *testing.T) {
	s := &script{messages: numbers(100)}
	var r *reader.Reader
	started := make(chan struct{})
	var got []string
	r = reader.Start(here, s, 0, reader.Consumer{Ended: func(error) {},
		Room: func() int {
			<-started
			if s.next >= 50 {
				r.Stop()
			}
			return 1000
		},
		Deliver: func(taken []mq.Message) {
			for _, m := range taken {
				got = append(got, string(m.Data))
			}
		}})
	close(started)
	<-r.Done()
	if !slices.Equal(got, numbers(s.next)) || s.next >= 100 {
		t.Errorf("took %d, delivered %v", s.next, got)
	}
}

func TestDoesNotLookAtQueuesElsewhere(t *testing.T) {
	s := &script{messages: numbers(10), end: mq.ErrRemoved}
	delivered := 0
	<-reader.Start(elsewhere, s, 0, reader.Consumer{Ended: func(error) {},
		Room: func() int { return 1000 },
		Deliver: func(taken []mq.Message) {
			if delivered++; len(taken) != 1 {
				t.Errorf("%d together", len(taken))
			}
		}}).Done()
	if calls := s.noted(); slices.Contains(calls, "try") || delivered != 10 {
		t.Errorf("%d delivered with %v", delivered, calls)
	}
}

func TestRoomOfAChannel(t *testing.T) {
	ch := make(chan mq.Message, 5)
	for _, c := range []struct {
		q          host
		empty, one int
	}{{here, 5, 1}, {elsewhere, 5, 4}} {
		room := reader.Room(c.q)
		if got := room(ch); got != c.empty {
			t.Errorf("remote %v, empty: %d", c.q.remote, got)
		}
		ch <- mq.Message{}
		if got := room(ch); got != c.one {
			t.Errorf("remote %v, with one message: %d", c.q.remote, got)
		}
		<-ch
	}
}

func TestSpinOfTheUser(t *testing.T) {
	for _, c := range []struct {
		q    host
		spin time.Duration
		want time.Duration
	}{
		{here, -1, 0}, {here, time.Second, time.Second}, {elsewhere, 0, 0}, {elsewhere, time.Second, 0},
	} {
		if got := reader.Spin(c.q, c.spin); got != c.want {
			t.Errorf("%v, remote %v: %v, want %v", c.spin, c.q.remote, got, c.want)
		}
	}
}
