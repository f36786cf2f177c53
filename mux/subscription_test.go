package mux_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mux"
)

func TestMessagesGoToTheSubscriptionsOfTheirType(t *testing.T) {
	q := newQueue(t, nil)
	m := newMux(t, q, nil)
	one := subscribe(t, m, mq.Type(1), nil)
	two := subscribe(t, m, mq.Type(2), nil)
	send(t, q, 2, "b1")
	send(t, q, 1, "a1")
	send(t, q, 2, "b2")
	send(t, q, 1, "a2")
	expect(t, one.Messages(), "a1", "a2")
	expect(t, two.Messages(), "b1", "b2")
}

func TestWhatNobodySubscribedToStaysInTheQueue(t *testing.T) {
	q := newQueue(t, nil)
	m := newMux(t, q, nil)
	five := subscribe(t, m, mq.Type(5), nil)
	send(t, q, 4, "other")
	send(t, q, 5, "mine")
	send(t, q, 6, "other")
	expect(t, five.Messages(), "mine")
	if st, err := q.Stat(); err != nil || st.Messages != 2 {
		t.Errorf("%d messages wait (%v), want 2", st.Messages, err)
	}
}

func TestOverlappingSubscriptionsEachGetAMessage(t *testing.T) {
	q := newQueue(t, nil)
	m := newMux(t, q, nil)
	subs := []*mux.Subscription{
		subscribe(t, m, mq.Type(3), nil), subscribe(t, m, mq.Type(3), nil), subscribe(t, m, mq.UpTo(4), nil),
		subscribe(t, m, mq.Except(2), nil), subscribe(t, m, mq.Any(), nil),
	}
	send(t, q, 3, "x")
	var got []mq.Message
	for _, s := range subs {
		select {
		case m := <-s.Messages():
			got = append(got, m)
		case <-time.After(10 * time.Second):
			t.Fatalf("%v got nothing", s.Selector())
		}
	}
	for i := range got { // each has its own payload
		if string(got[i].Data) != "x" {
			t.Fatalf("message %d was changed: %q", i, got[i].Data)
		}
		got[i].Data[0] = 'y'
	}
	if st := m.Stats(); st.Readers != 1 || st.Subscriptions != 5 {
		t.Errorf("%+v, want one reader and 5 subscriptions", st)
	}
}

func TestUnclaimedGetsWhatNoOtherSelects(t *testing.T) {
	q := newQueue(t, nil)
	m := newMux(t, q, nil)
	one := subscribe(t, m, mq.Type(1), nil)
	rest := subscribe(t, m, mq.Any(), &mux.SubscribeConfig{Unclaimed: true})
	send(t, q, 1, "claimed")
	send(t, q, 2, "left")
	expect(t, one.Messages(), "claimed")
	expect(t, rest.Messages(), "left")
}

func TestLimitEndsTheSubscriptionAndLeavesTheNext(t *testing.T) {
	q := newQueue(t, nil)
	for _, s := range []string{"1", "2", "3", "4"} {
		send(t, q, 1, s)
	}
	m := newMux(t, q, nil)
	sub := subscribe(t, m, mq.Type(1), &mux.SubscribeConfig{Limit: 3})
	<-sub.Done()
	if st, _ := q.Stat(); st.Messages != 1 {
		t.Errorf("%d messages wait, want 1", st.Messages)
	}
	expect(t, sub.Messages(), "1", "2", "3")
	expectClosed(t, sub.Messages())
	if got := m.Stats().Readers; got != 0 {
		t.Errorf("%d readers run", got)
	}
}

func TestOnceTakesExactlyOne(t *testing.T) {
	for _, withOthers := range []bool{false, true} {
		t.Run(fmt.Sprintf("with others %v", withOthers), func(t *testing.T) {
			q := newQueue(t, nil)
			m := newMux(t, q, nil)
			if withOthers {
				subscribe(t, m, mq.Type(9), nil)
			}
			for i := range 20 {
				send(t, q, 1, fmt.Sprint(i))
			}
			for i := range 20 {
				got, err := m.Once(t.Context(), mq.UpTo(3))
				if err != nil || string(got.Data) != fmt.Sprint(i) {
					t.Fatalf("got %q, %v, want %d", got.Data, err, i)
				}
				if st, _ := q.Stat(); st.Messages != int64(19-i) {
					t.Fatalf("%d messages wait after %d", st.Messages, i+1)
				}
			}
		})
	}
}

func TestCanceledOnceTakesNothing(t *testing.T) {
	q := newQueue(t, nil)
	m := newMux(t, q, nil)
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error)
	go func() {
		_, err := m.Once(ctx, mq.Any())
		done <- err
	}()
	testutil.Await(t, func() error {
		if n := m.Stats().Readers; n != 1 {
			return fmt.Errorf("%d readers", n)
		}
		return nil
	})
	cancel(why)
	if err := <-done; !errors.Is(err, context.Canceled) || !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	send(t, q, 1, "still here")
	if st, _ := q.Stat(); st.Messages != 1 {
		t.Errorf("%d messages wait, want 1", st.Messages)
	}
	if _, err := m.Once(ctx, mq.Any()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestOnceWithASlowSubscriberIsCanceledImmediately(t *testing.T) {
	q := newQueue(t, nil)
	m := newMux(t, q, nil)
	blocked := make(chan *mux.Subscription, 1)
	slow := subscribe(t, m, mq.Type(5), &mux.SubscribeConfig{Buffer: 1, OnSlow: func(s *mux.Subscription) { blocked <- s }})
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		// Except(4) covers Type(5), so both share a reader, which will be
		// blocked by the slow one.
		_, err := m.Once(ctx, mq.Except(4))
		result <- err
	}()
	awaitSubscriptions(t, m, 2)
	send(t, q, 5, "1") // for both
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	send(t, q, 5, "2") // the reader waits with it
	<-blocked
	go func() {
		_, err := m.Once(ctx, mq.Except(4))
		result <- err
	}()
	awaitSubscriptions(t, m, 2)
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	expect(t, slow.Messages(), "1", "2")
}

func TestUnsubscribeKeepsWhatWasNotRead(t *testing.T) {
	q := newQueue(t, nil)
	m := newMux(t, q, nil)
	sub := subscribe(t, m, mq.Any(), &mux.SubscribeConfig{Buffer: 2})
	for i := range 4 {
		send(t, q, 1, fmt.Sprint(i))
	}
	// Two in the channel, one held by the reader, one in the queue.
	testutil.Await(t, func() error {
		if st, _ := q.Stat(); st.Messages != 1 {
			return fmt.Errorf("%d messages wait", st.Messages)
		}
		return nil
	})
	if err := sub.Unsubscribe(); !errors.Is(err, mq.ErrUnread) {
		t.Errorf("got %v, want ErrUnread", err)
	}
	expectClosed(t, sub.Messages())
	if got := data(sub.Unread()); !slices.Equal(got, []string{"0", "1", "2"}) {
		t.Errorf("unread: %v", got)
	}
	if err := sub.Unsubscribe(); err != nil {
		t.Errorf("again: %v", err)
	}
	if st, _ := q.Stat(); st.Messages != 1 {
		t.Errorf("%d messages wait", st.Messages)
	}
}

func TestDrainDeliversWhatWasTaken(t *testing.T) {
	q := newQueue(t, nil)
	m := newMux(t, q, nil)
	sub := subscribe(t, m, mq.Any(), &mux.SubscribeConfig{Buffer: 1})
	for i := range 3 {
		send(t, q, 1, fmt.Sprint(i))
	}
	testutil.Await(t, func() error {
		if st, _ := q.Stat(); st.Messages != 1 {
			return fmt.Errorf("%d messages wait", st.Messages)
		}
		return nil
	})
	sub.Drain()
	expect(t, sub.Messages(), "0", "1")
	expectClosed(t, sub.Messages())
}

func TestOverflowPolicies(t *testing.T) {
	for _, c := range []struct {
		policy  mux.Overflow
		want    []string
		dropped uint64
	}{
		{mux.DropNewest, []string{"0", "1"}, 8},
		{mux.DropOldest, []string{"8", "9"}, 8},
	} {
		t.Run(fmt.Sprint(c.policy), func(t *testing.T) {
			q := newQueue(t, nil)
			m := newMux(t, q, nil)
			slow := make(chan *mux.Subscription, 10)
			sub := subscribe(t, m, mq.Type(1), &mux.SubscribeConfig{Buffer: 2, Overflow: c.policy,
				OnSlow: func(s *mux.Subscription) { slow <- s }})
			other := subscribe(t, m, mq.Any(), nil)
			for i := range 10 {
				send(t, q, 1, fmt.Sprint(i))
			}
			send(t, q, 2, "not held up")
			for i := range 10 {
				expect(t, other.Messages(), fmt.Sprint(i))
			}
			expect(t, other.Messages(), "not held up")
			if st := sub.Stats(); st.Dropped != c.dropped || st.Buffered != 2 {
				t.Errorf("%+v", st)
			}
			expect(t, sub.Messages(), c.want...)
			if got := <-slow; got != sub {
				t.Errorf("OnSlow got another subscription")
			}
			if len(slow) > 0 && c.policy == mux.DropNewest {
				t.Errorf("OnSlow was called %d more times", len(slow))
			}
		})
	}
}

func TestABlockedSubscriberIsReportedAndBlocksOnlyItsReader(t *testing.T) {
	q := newQueue(t, nil)
	m := newMux(t, q, nil)
	slow := make(chan *mux.Subscription, 1)
	one := subscribe(t, m, mq.Type(1), &mux.SubscribeConfig{Buffer: 1, OnSlow: func(s *mux.Subscription) { slow <- s }})
	two := subscribe(t, m, mq.Type(2), nil)
	for i := range 3 {
		send(t, q, 1, fmt.Sprint(i))
	}
	<-slow
	send(t, q, 2, "passes")
	expect(t, two.Messages(), "passes")
	expect(t, one.Messages(), "0", "1", "2")
	testutil.Await(t, func() error {
		if one.Stats().Blocked == 0 {
			return errors.New("no time blocked")
		}
		return nil
	})
}

func TestSubscribingAndEndingFromWithinACallback(t *testing.T) {
	q := newQueue(t, nil)
	m := newMux(t, q, nil)
	result := make(chan string)
	var off func()
	ready := make(chan struct{})
	off, err := m.On(mq.Type(1), func(msg mq.Message) {
		<-ready
		sub, err := m.Subscribe(mq.Any(), nil) // replaces the reader of type 1
		if err != nil {
			t.Error(err)
		}
		send(t, q, 2, "inner")
		got := <-sub.Messages()
		if err := sub.Unsubscribe(); err != nil {
			t.Error(err)
		}
		off()
		result <- string(msg.Data) + string(got.Data)
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	close(ready)
	send(t, q, 1, "outer ")
	if got := <-result; got != "outer inner" {
		t.Errorf("got %q", got)
	}
	awaitSubscriptions(t, m, 0)
	send(t, q, 1, "nobody wants this")
	if st, _ := q.Stat(); st.Messages != 1 {
		t.Errorf("%d messages wait, want 1", st.Messages)
	}
}

func TestWorkersShareASubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		m, _ := mux.New(q, nil)
		var mu sync.Mutex
		running, most, handled := 0, 0, 0
		sub := subscribe(t, m, mq.Any(), nil)
		var workers sync.WaitGroup
		for range 4 {
			workers.Go(func() {
				for range sub.Messages() {
					mu.Lock()
					running++
					most = max(most, running)
					mu.Unlock()
					<-time.After(time.Second)
					mu.Lock()
					running--
					handled++
					mu.Unlock()
				}
			})
		}
		for range 12 {
			send(t, q, 1, "x")
		}
		synctest.Wait() // all are taken
		began := time.Now()
		if err := m.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		workers.Wait()
		if handled != 12 || most != 4 || time.Since(began) != 3*time.Second {
			t.Errorf("%d handled by %d at once in %v", handled, most, time.Since(began))
		}
		q.Close()
	})
}

func TestBadConfigIsRefused(t *testing.T) {
	q := mqtest.New(nil)
	defer q.Close()
	m := newMux(t, q, nil)
	for name, cfg := range map[string]*mux.SubscribeConfig{
		"negative buffer": {Buffer: -1}, "negative limit": {Limit: -1}, "unknown policy": {Overflow: 9},
	} {
		if _, err := m.Subscribe(mq.Any(), cfg); !errors.Is(err, mq.ErrInvalidConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := m.Subscribe(mq.Except(0), nil); !errors.Is(err, mq.ErrInvalidType) {
		t.Errorf("Except(0): %v", err)
	}
}
