package follow_test

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/mq"
	"ipcmq/mq/follow"
	"ipcmq/mq/mqtest"
)

// A place holds an in-memory queue, or none.
type place struct {
	mu      sync.Mutex
	queue   *mqtest.Queue
	refuses error // returned instead of opening
	opens   []time.Time
}

func (p *place) open() (*mqtest.Queue, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.opens = append(p.opens, time.Now())
	switch {
	case p.refuses != nil:
		return nil, p.refuses
	case p.queue == nil:
		return nil, &mq.Error{Op: "open", Kind: fs.ErrNotExist}
	}
	return p.queue.Open(), nil
}

// replace removes the queue and, if another is given, puts that in its place.
func (p *place) replace(other *mqtest.Queue) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.queue != nil {
		p.queue.Remove()
		p.queue.Close()
	}
	p.queue = other
}

func (p *place) refuse(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuses = err
}

func (p *place) opened() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.opens)
}

// A log collects events.
type log struct {
	mu   sync.Mutex
	said []string
}

func (l *log) note(e follow.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case e.Err == nil:
		l.said = append(l.said, "open")
	case errors.Is(e.Err, mq.ErrRemoved):
		l.said = append(l.said, "gone")
	default:
		l.said = append(l.said, e.Err.Error())
	}
}

func (l *log) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	said := l.said
	l.said = nil
	return said
}

// following runs f in a bubble, with a queue that follows a place.
func following(t *testing.T, f func(t *testing.T, q *follow.Queue, at *place, events *log)) {
	synctest.Test(t, func(t *testing.T) {
		at, events := &place{queue: mqtest.New(nil)}, &log{}
		q, err := follow.Open(at.open, &follow.Config{Changed: events.note})
		if err != nil {
			t.Fatal(err)
		}
		f(t, q, at, events)
		if err := q.Close(); err != nil {
			t.Error(err)
		}
		at.replace(nil)
	})
}

func wants(t *testing.T, err error, text string, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Errorf("got %v, want %v", err, target)
		}
	}
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want %q", err, text)
	}
}

func message(text string) mq.Message { return mq.Message{Type: 1, Data: []byte(text)} }

func TestWaitingCallsContinueWithTheNextQueue(t *testing.T) {
	following(t, func(t *testing.T, q *follow.Queue, at *place, events *log) {
		typed, err := q.Select(mq.Type(1))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []mq.Receiver{q, typed} {
			got := make(chan string, 1)
			go func() {
				m, err := r.Receive(t.Context())
				if err != nil {
					t.Error(err)
				}
				got <- string(m.Data)
			}()
			synctest.Wait()
			at.replace(nil)
			synctest.Wait()
			at.replace(mqtest.New(nil))
			if err := q.Send(t.Context(), message("hello")); err != nil {
				t.Error(err)
			}
			if text := <-got; text != "hello" {
				t.Errorf("got %q", text)
			}
			if said := events.take(); !slices.Equal(said, []string{"gone", "open"}) {
				t.Errorf("events %q", said)
			}
			<-time.After(time.Minute)
		}
	})
}

func TestTryCallsFindAMissingQueueEmptyAndFull(t *testing.T) {
	following(t, func(t *testing.T, q *follow.Queue, at *place, events *log) {
		at.replace(nil)
		_, err := q.TryReceive()
		wants(t, err, "the queue is gone, and nobody has created it again", mq.ErrEmpty, mq.ErrRemoved)
		wants(t, q.TrySend(message("x")), "the queue is gone", mq.ErrFull, mq.ErrRemoved)
		if err := q.Check(); err != nil {
			t.Error(err)
		}
		at.replace(mqtest.New(nil))
		<-time.After(time.Second)
		if err := q.TrySend(message("x")); err != nil {
			t.Error(err)
		}
		if u, err := q.Usage(); err != nil || u.Messages != 1 {
			t.Errorf("%+v, %v", u, err)
		}
		if _, err := q.TryReceive(); err != nil {
			t.Error(err)
		}
	})
}

func TestAContextAndCloseEndTheWaitForAQueue(t *testing.T) {
	following(t, func(t *testing.T, q *follow.Queue, at *place, events *log) {
		at.replace(nil)
		// One of them looks for a queue, the others wait for that call.
		results := make(chan error, 3)
		for range 3 {
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := q.Receive(ctx)
				results <- err
			}()
		}
		for range 3 {
			wants(t, <-results, "deadline exceeded; the queue is gone, and nobody has created it again", context.DeadlineExceeded)
		}
		at.refuse(&mq.Error{Op: "open", Kind: fs.ErrPermission, Detail: "a stranger's"})
		for range 3 {
			go func() { results <- q.Send(context.Background(), message("x")) }()
		}
		<-time.After(time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wants(t, q.Send(ctx, message("x")), "another cannot be opened: mq: open: a stranger's", context.DeadlineExceeded)
		if err := q.Close(); err != nil {
			t.Error(err)
		}
		for range 3 {
			wants(t, <-results, "", mq.ErrClosed)
		}
		wants(t, q.Check(), "", mq.ErrClosed)
		_, err := q.TryReceive()
		wants(t, err, "", mq.ErrClosed)
		if said := events.take(); !slices.Equal(said, []string{"gone", "mq: open: a stranger's"}) {
			t.Errorf("events %q", said)
		}
	})
}

// A refusal is reported once, however often it comes.
func TestEachNewReasonIsReportedOnce(t *testing.T) {
	following(t, func(t *testing.T, q *follow.Queue, at *place, events *log) {
		at.replace(nil)
		received := make(chan error)
		go func() {
			_, err := q.Receive(t.Context())
			received <- err
		}()
		for _, err := range []error{nil, errors.New("one"), nil, errors.New("two"), errors.New("one")} {
			at.refuse(err)
			<-time.After(time.Minute)
		}
		at.refuse(nil)
		other := mqtest.New(nil)
		at.replace(other)
		if err := other.TrySend(message("x")); err != nil {
			t.Error(err)
		}
		if err := <-received; err != nil {
			t.Error(err)
		}
		if said := events.take(); !slices.Equal(said, []string{"gone", "one", "two", "one", "open"}) {
			t.Errorf("events %q", said)
		}
	})
}

func TestOpeningIsTriedLessAndLessOften(t *testing.T) {
	following(t, func(t *testing.T, q *follow.Queue, at *place, events *log) {
		<-time.After(time.Second)
		at.replace(nil)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		q.Receive(ctx)
		opens := at.opened()[1:]
		for i, want := range []time.Duration{0, 1, 3, 7, 15, 31, 63, 127, 227, 327} {
			if got := opens[i].Sub(began); got != want*time.Millisecond {
				t.Errorf("attempt %d after %v, want %d ms", i, got, want)
			}
		}
		if n := len(opens); n < 100 || n > 110 {
			t.Errorf("%d attempts", n)
		}
	})
}

// A queue that keeps coming and going is not opened each time.
func TestAQueueThatDoesNotLastIsOpenedRarely(t *testing.T) {
	following(t, func(t *testing.T, q *follow.Queue, at *place, events *log) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		for ctx.Err() == nil {
			at.replace(mqtest.New(nil))
			if err := q.Send(ctx, message("x")); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
		if n := len(at.opened()); n > 120 {
			t.Errorf("opened %d times", n)
		}
	})
}

func TestBadConfigsAndAFailedFirstOpen(t *testing.T) {
	at := &place{}
	_, err := follow.Open(at.open, nil)
	wants(t, err, "", fs.ErrNotExist)
	_, err = follow.Open(at.open, &follow.Config{Every: -1})
	wants(t, err, "Every = -1ns is negative", mq.ErrInvalidConfig)
}

func TestAPanicInChangedBlocksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := &place{queue: mqtest.New(nil)}
		q, err := follow.Open(at.open, &follow.Config{Changed: func(e follow.Event) {
			if e.Err != nil {
				panic(e)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		at.replace(mqtest.New(nil))
		func() {
			defer func() { recover() }()
			q.TryReceive()
		}()
		if err := q.Send(t.Context(), message("x")); err != nil {
			t.Error(err)
		}
		q.Close()
		at.replace(nil)
	})
}
