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

	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mux"
)

// TestUnsubscribeDoesNotWaitForOtherSubscriptions unsubscribes in the goroutine
// that reads two subscriptions, while their reader waits for room in both.
func TestUnsubscribeDoesNotWaitForOtherSubscriptions(t *testing.T) {
	for first := range 2 {
		synctest.Test(t, func(t *testing.T) {
			q := mqtest.New(nil)
			m := newMux(t, q, nil)
			subs := []*mux.Subscription{
				subscribe(t, m, mq.Any(), &mux.SubscribeConfig{Buffer: 1}),
				subscribe(t, m, mq.Any(), &mux.SubscribeConfig{Buffer: 1}),
			}
			send(t, q, 1, "0")
			send(t, q, 1, "1")
			synctest.Wait()
			one, other := subs[first], subs[1-first]
			if err := one.Unsubscribe(); !errors.Is(err, mq.ErrUnread) {
				t.Errorf("got %v", err)
			}
			if got := data(one.Unread()); !slices.Equal(got, []string{"0", "1"}) {
				t.Errorf("unread: %v", got)
			}
			expect(t, other.Messages(), "0", "1")
			m.Close()
			q.Close()
		})
	}
}

// TestSeveralReadersWaitForOneSubscription replaces readers of single types
// that hold messages by the reader of a wide subscription.
func TestSeveralReadersWaitForOneSubscription(t *testing.T) {
	for _, cfg := range []mux.SubscribeConfig{{Buffer: 1}, {Buffer: 1, Limit: 2}, {Buffer: 1, Limit: 1}} {
		for _, end := range []string{"drain", "unsubscribe"} {
			t.Run(fmt.Sprintf("limit %d, %s", cfg.Limit, end), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					const types = 5
					gate := &gated{Queue: mqtest.New(nil), hold: make(chan struct{})}
					m := newMux(t, gate, nil)
					for typ := range int64(types) {
						subscribe(t, m, mq.Type(typ+1), nil)
						send(t, gate, typ+1, "x")
					}
					synctest.Wait() // each reader has taken its message, but not delivered it
					wide := subscribe(t, m, mq.Any(), &cfg)
					close(gate.hold)
					synctest.Wait() // one is in the channel, the others wait
					want := types
					if cfg.Limit > 0 {
						want = cfg.Limit
					}
					got := 0
					if end == "drain" {
						wide.Drain()
						for range wide.Messages() {
							synctest.Wait()
							got++
						}
					} else {
						if err := wide.Unsubscribe(); !errors.Is(err, mq.ErrUnread) {
							t.Errorf("got %v", err)
						}
						expectClosed(t, wide.Messages())
						got = len(wide.Unread())
					}
					if got != want {
						t.Errorf("%d messages, want %d", got, want)
					}
					m.Close()
					if n := m.Orphans(); n != 0 {
						t.Errorf("%d messages were taken for nobody", n)
					}
					gate.Close()
				})
			})
		}
	}
}

// A gated queue holds back each message that is taken until hold is closed.
type gated struct {
	*mqtest.Queue
	hold chan struct{}
}

func (g *gated) Select(s mq.Selector) (mq.Receiver, error) {
	r, err := g.Queue.Select(s)
	return gatedReceiver{r, g.hold}, err
}

type gatedReceiver struct {
	mq.Receiver
	hold chan struct{}
}

func (g gatedReceiver) Receive(ctx context.Context) (mq.Message, error) {
	m, err := g.Receiver.Receive(ctx)
	if err == nil {
		<-g.hold
	}
	return m, err
}

func (g gatedReceiver) TryReceive() (mq.Message, error) {
	m, err := g.Receiver.TryReceive()
	if err == nil {
		<-g.hold
	}
	return m, err
}

func (g gatedReceiver) TryReceiveInto(m *mq.Message) error {
	err := g.Receiver.TryReceiveInto(m)
	if err == nil {
		<-g.hold
	}
	return err
}

// TestUnclaimedGetsWhatALimitRefuses: a full subscription claims nothing more.
func TestUnclaimedGetsWhatALimitRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := &gated{Queue: mqtest.New(nil), hold: make(chan struct{})}
		m := newMux(t, gate, nil)
		var rest []*mux.Subscription
		for typ := range int64(3) {
			rest = append(rest, subscribe(t, m, mq.Type(typ+1), &mux.SubscribeConfig{Unclaimed: true}))
			send(t, gate, typ+1, "x")
		}
		synctest.Wait()
		one := subscribe(t, m, mq.Any(), &mux.SubscribeConfig{Limit: 1})
		close(gate.hold)
		<-one.Done()
		expect(t, one.Messages(), "x")
		expectClosed(t, one.Messages())
		synctest.Wait()
		got := 0
		for _, s := range rest {
			got += s.Stats().Buffered
		}
		if got != 2 {
			t.Errorf("the unclaimed subscriptions got %d messages, want 2", got)
		}
		m.Close()
		gate.Close()
	})
}

func TestShutdownWaitsForWhatADrainedSubscriptionLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		m := newMux(t, q, nil)
		sub := subscribe(t, m, mq.Any(), nil)
		send(t, q, 1, "0")
		send(t, q, 1, "1")
		synctest.Wait()
		sub.Drain()
		<-sub.Done()
		go func() {
			<-time.After(time.Minute)
			expect(t, sub.Messages(), "0", "1")
		}()
		began := time.Now()
		if err := m.Shutdown(t.Context()); err != nil || time.Since(began) < time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		q.Close()
	})
}

func TestCloseKeepsWhatADrainedSubscriptionLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		m := newMux(t, q, nil)
		sub := subscribe(t, m, mq.Any(), &mux.SubscribeConfig{Limit: 1})
		send(t, q, 1, "0")
		<-sub.Done()
		if got := m.Unread(); got != nil {
			t.Errorf("before Close: %v", got)
		}
		if err := m.Close(); !errors.Is(err, mq.ErrUnread) {
			t.Errorf("got %v", err)
		}
		if got := data(m.Unread()); !slices.Equal(got, []string{"0"}) {
			t.Errorf("unread: %v", got)
		}
		q.Close()
	})
}

// TestShutdownWaitsForCallbacksThatJustBegan calls On during Shutdown: either
// On fails or Shutdown waits for its callback.
func TestShutdownWaitsForCallbacksThatJustBegan(t *testing.T) {
	for range 100 {
		q := mqtest.New(nil)
		m := newMux(t, q, nil)
		send(t, q, 1, "x")
		var calls sync.WaitGroup
		began, over := make(chan struct{}), false
		calls.Go(func() {
			close(began)
			for range 4 {
				if _, err := m.On(mq.Any(), func(mq.Message) {
					if over {
						t.Error("called after Shutdown")
					}
				}, nil); err != nil {
					if !errors.Is(err, mq.ErrClosed) {
						t.Error(err)
					}
					return
				}
			}
		})
		<-began
		if err := m.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		over = true
		calls.Wait()
		q.Close()
	}
}

func TestCloseFromWithinACallback(t *testing.T) {
	q := newQueue(t, nil)
	m := newMux(t, q, nil)
	closed := make(chan error, 1)
	if _, err := m.On(mq.Any(), func(msg mq.Message) {
		if string(msg.Data) == "0" {
			closed <- m.Close()
		}
	}, &mux.SubscribeConfig{Buffer: 1}); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		send(t, q, 1, fmt.Sprint(i))
	}
	err := <-closed
	unread := data(m.Unread())
	if (len(unread) > 0) != errors.Is(err, mq.ErrUnread) || !slices.Equal(unread, []string{"1", "2", "3", "4"}[:len(unread)]) {
		t.Errorf("%v, unread: %v", err, unread)
	}
	if st, _ := q.Stat(); int(st.Messages)+len(unread) != 4 {
		t.Errorf("unread %v, and %d are left in the queue", unread, st.Messages)
	}
}
