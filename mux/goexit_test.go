package mux_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mux"
)

func TestACallbackThatExitsItsGoroutineIsCalledAgain(t *testing.T) {
	q := newQueue(t, nil)
	m := newMux(t, q, nil)
	got := make(chan mq.Message)
	if _, err := m.On(mq.Type(1), func(msg mq.Message) {
		got <- msg
		runtime.Goexit()
	}, nil); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		send(t, q, 1, fmt.Sprint(i))
	}
	for range 20 {
		<-got
	}
	if err := m.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// Here, each message makes the subscription too slow once.
func TestOnSlowIsCalledOnceAtATime(t *testing.T) {
	q := newQueue(t, nil)
	m := newMux(t, q, nil)
	var calls atomic.Int32
	called, goOn := make(chan bool, 2), make(chan bool)
	sub := subscribe(t, m, mq.Any(), &mux.SubscribeConfig{Buffer: 1, Overflow: mux.DropNewest, OnSlow: func(*mux.Subscription) {
		calls.Add(1)
		called <- true
		<-goOn
		runtime.Goexit()
	}})
	slow := func(n uint64) { // there is room for one of two messages
		send(t, q, 1, "fits")
		send(t, q, 1, "dropped")
		testutil.Await(t, func() error {
			if d := sub.Stats().Dropped; d < n {
				return fmt.Errorf("%d dropped, waiting for %d", d, n)
			}
			return nil
		})
		expect(t, sub.Messages(), "fits")
	}
	slow(1)
	<-called
	before := runtime.NumGoroutine()
	for n := range uint64(100) {
		slow(n + 2)
	}
	if n := runtime.NumGoroutine(); n > before+10 {
		t.Errorf("%d goroutines, %d before", n, before)
	}
	goOn <- true
	for n := uint64(102); calls.Load() < 2; n++ { // as soon as the first has returned
		slow(n)
	}
	close(goOn)
	if n := calls.Load(); n != 2 {
		t.Errorf("%d calls", n)
	}
}

func TestEveryEndedContextIsShownWithItsCause(t *testing.T) {
	why := errors.New("the shop has closed")
	q := newQueue(t, nil)
	calls := map[string]func(*mux.Mux, context.Context) error{
		"Once": func(m *mux.Mux, ctx context.Context) error {
			_, err := m.Once(ctx, mq.Type(1))
			return err
		},
		"Shutdown": func(m *mux.Mux, ctx context.Context) error {
			sub := subscribe(t, m, mq.Type(9), nil)
			send(t, q, 9, "nobody reads this")
			testutil.Await(t, func() error {
				if sub.Stats().Delivered == 0 {
					return errors.New("not delivered")
				}
				return nil
			})
			return m.Shutdown(ctx)
		},
	}
	for name, call := range calls {
		for _, when := range []string{"before", "meanwhile"} {
			ctx, cancel := context.WithCancelCause(t.Context())
			if when == "before" {
				cancel(why)
			} else {
				time.AfterFunc(time.Millisecond, func() { cancel(why) })
			}
			err := call(newMux(t, q, nil), ctx)
			if !errors.Is(err, context.Canceled) || !errors.Is(err, why) || !strings.Contains(err.Error(), "context canceled: the shop has closed") {
				t.Errorf("%s, ended %s: %v", name, when, err)
			}
		}
	}
}
