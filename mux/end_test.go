package mux_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"ipcmq/internal/testutil"
	"ipcmq/mq"
	"ipcmq/mq/mqtest"
	"ipcmq/mux"
)

func TestRemovalOfTheQueueEndsTheMux(t *testing.T) {
	q := newQueue(t, nil)
	m := newMux(t, q, nil)
	one := subscribe(t, m, mq.Type(1), nil)
	two := subscribe(t, m, mq.UpTo(1), nil)
	send(t, q, 1, "taken before")
	testutil.Await(t, func() error {
		if one.Stats().Delivered == 0 {
			return errors.New("nothing delivered")
		}
		return nil
	})
	if err := q.Remove(); err != nil {
		t.Fatal(err)
	}
	<-m.Done()
	expect(t, one.Messages(), "taken before")
	expectClosed(t, one.Messages())
	expect(t, two.Messages(), "taken before")
	expectClosed(t, two.Messages())
	if !errors.Is(m.Err(), mq.ErrRemoved) {
		t.Errorf("Err is %v", m.Err())
	}
	if _, err := m.Subscribe(mq.Any(), nil); !errors.Is(err, mq.ErrClosed) || !errors.Is(err, mq.ErrRemoved) {
		t.Errorf("Subscribe: %v", err)
	}
	if err := m.Publish(t.Context(), mq.Message{Type: 1}); !errors.Is(err, mq.ErrClosed) {
		t.Errorf("Publish: %v", err)
	}
}

func TestCloseKeepsWhatWasNotRead(t *testing.T) {
	q := newQueue(t, nil)
	m := newMux(t, q, nil)
	subscribe(t, m, mq.Type(1), &mux.SubscribeConfig{Buffer: 1})
	subscribe(t, m, mq.Type(2), &mux.SubscribeConfig{Buffer: 8})
	for i := range 3 {
		send(t, q, 1, fmt.Sprint("a", i))
		send(t, q, 2, fmt.Sprint("b", i))
	}
	testutil.Await(t, func() error {
		if st, _ := q.Stat(); st.Messages != 1 {
			return fmt.Errorf("%d messages wait", st.Messages)
		}
		return nil
	})
	if err := m.Close(); !errors.Is(err, mq.ErrUnread) {
		t.Errorf("got %v, want ErrUnread", err)
	}
	got := data(m.Unread())
	slices.Sort(got)
	if !slices.Equal(got, []string{"a0", "a1", "b0", "b1", "b2"}) {
		t.Errorf("unread: %v", got)
	}
	if err := m.Close(); err != nil {
		t.Errorf("again: %v", err)
	}
	if m.Err() != nil {
		t.Errorf("Err = %v", m.Err())
	}
}

func TestShutdownWaitsForReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		m, _ := mux.New(q, nil)
		sub := subscribe(t, m, mq.Any(), &mux.SubscribeConfig{Buffer: 4})
		for i := range 10 {
			send(t, q, 1, fmt.Sprint(i))
		}
		synctest.Wait()
		read := 0
		go func() {
			for range sub.Messages() {
				<-time.After(time.Second)
				read++
			}
		}()
		synctest.Wait()
		if err := m.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		synctest.Wait()
		if left := q.Stat().Messages; read+left != 10 || left == 0 {
			t.Errorf("%d read, %d left in the queue", read, left)
		}
		q.Close()
	})
}

func TestACanceledShutdownKeepsWhatWasNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := mqtest.New(nil)
		m, _ := mux.New(q, nil)
		subscribe(t, m, mq.Any(), &mux.SubscribeConfig{Buffer: 4})
		for i := range 3 {
			send(t, q, 1, fmt.Sprint(i))
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := m.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, mq.ErrUnread) {
			t.Errorf("got %v", err)
		}
		if got := data(m.Unread()); !slices.Equal(got, []string{"0", "1", "2"}) {
			t.Errorf("unread: %v", got)
		}
		q.Close()
	})
}
